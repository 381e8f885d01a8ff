import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { orchestratorId } from '../../ids.ts';
import { deadLetter, deadLetterDetail, deadLetterId, listOf, listQuery } from '../resources.ts';
import { answer, refused, security } from './parts.ts';

const deadLetterFilter = listQuery.extend({ orchestrator: orchestratorId.optional() }).strict();
export type DeadLetterFilter = z.infer<typeof deadLetterFilter>;

export const listDeadLettersRoute = createRoute({
  method: 'get',
  path: '/deadletters',
  security,
  request: { query: deadLetterFilter },
  responses: { 200: answer(listOf(deadLetter), 'By orchestrator, oldest first'), default: refused },
});

const deadLetterParams = z.object({ id: deadLetterId });

export const getDeadLetterRoute = createRoute({
  method: 'get',
  path: '/deadletters/{id}',
  security,
  request: { params: deadLetterParams },
  responses: { 200: answer(deadLetterDetail, 'The entry and why it failed'), default: refused },
});

export const replayDeadLetterRoute = createRoute({
  method: 'post',
  path: '/deadletters/{id}/replay',
  security,
  request: { params: deadLetterParams },
  responses: { 200: answer(deadLetter, 'It is tried again'), default: refused },
});

export const dropDeadLetterRoute = createRoute({
  method: 'post',
  path: '/deadletters/{id}/drop',
  security,
  request: { params: deadLetterParams },
  responses: { 200: answer(deadLetter, 'It is given up'), default: refused },
});
