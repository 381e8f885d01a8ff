import { z } from 'zod';
import { siteId } from '../../ids.ts';
import { problem } from '../problem.ts';

/** Who is not signed in gets 401. */
export const security: Record<string, string[]>[] = [{ bearer: [] }];

const jsonOf = <T extends z.ZodType>(schema: T) => ({ 'application/json': { schema } });

export const answer = <T extends z.ZodType>(schema: T, description: string) => ({
  content: jsonOf(schema),
  description,
});
export const refused = {
  content: { 'application/problem+json': { schema: problem } },
  description: 'A problem',
};
export const bodyOf = <T extends z.ZodType>(schema: T) => ({ content: jsonOf(schema), required: true });

/** Of whatever belongs to one site. */
export const siteParams = z.object({ id: siteId });
