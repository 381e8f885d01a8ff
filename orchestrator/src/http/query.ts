import { explain, Failure } from '@clawdbot/protocol';
import type { Context } from 'hono';
import { z } from 'zod';
import type { AppEnv } from './auth.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 200;

/** `?limit=` of every list. */
export const limit = z.coerce.number<string>().int().min(1).max(LIMIT_MAX).default(LIMIT_DEFAULT);

/** A request's query by a schema. Throws `Failure('bad_request')` naming what is wrong with it. */
export function queryOf<T extends z.ZodType>(c: Context<AppEnv>, schema: T): z.output<T> {
  const query = schema.safeParse(c.req.query());
  if (query.success) return query.data;
  throw new Failure('bad_request', explain(query.error, 'query'));
}
