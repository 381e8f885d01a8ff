import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { moveId, orchestratorId, siteId } from '../../ids.ts';
import { evacuation, moveTo, siteMove } from '../moves.ts';
import { listOf, listQuery } from '../resources.ts';
import { answer, bodyOf, refused, security, siteParams } from './parts.ts';

export const moveSiteRoute = createRoute({
  method: 'post',
  path: '/sites/{id}/move',
  description:
    'To another orchestrator of the organisation, live: nothing of it is lost, and its links go on working. Repeated, it is the same move.',
  security,
  request: { params: siteParams, body: bodyOf(moveTo) },
  responses: { 202: answer(siteMove, 'It has begun: follow it by its id'), default: refused },
});

export const evacuateRoute = createRoute({
  method: 'post',
  path: '/orchestrators/{id}/evacuate',
  description:
    'Moves all sites of an orchestrator, which may be gone for good, to another one: page by page, as `next` says.',
  security,
  request: {
    params: z.object({ id: orchestratorId }),
    query: listQuery.pick({ after: true }).strict(),
    body: bodyOf(moveTo),
  },
  responses: { 202: answer(evacuation, 'What has begun, and what has not and why'), default: refused },
});

const moveFilter = listQuery.extend({ site: siteId.optional() }).strict();
export type MoveFilter = z.infer<typeof moveFilter>;

export const listMovesRoute = createRoute({
  method: 'get',
  path: '/moves',
  security,
  request: { query: moveFilter },
  responses: { 200: answer(listOf(siteMove), 'Newest first, a moment late'), default: refused },
});

export const getMoveRoute = createRoute({
  method: 'get',
  path: '/moves/{id}',
  security,
  request: { params: z.object({ id: moveId }) },
  responses: { 200: answer(siteMove, 'The move as it is now'), default: refused },
});

export const cancelMoveRoute = createRoute({
  method: 'post',
  path: '/moves/{id}/cancel',
  description:
    'Takes the site back, as long as the new orchestrator’s object does not own it: nothing is lost, and what was held is sent on in order. Repeated, it changes nothing.',
  security,
  request: { params: z.object({ id: moveId }) },
  responses: { 202: answer(siteMove, 'The site is being taken back: follow the move'), default: refused },
});
