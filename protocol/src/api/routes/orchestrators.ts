import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { orchestratorId } from '../../ids.ts';
import { listOf, listQuery, orchestrator, orchestratorKey, orchestratorSummary } from '../resources.ts';
import { answer, refused, security } from './parts.ts';

export const listOrchestratorsRoute = createRoute({
  method: 'get',
  path: '/orchestrators',
  security,
  request: { query: listQuery.strict() },
  responses: { 200: answer(listOf(orchestratorSummary), 'By id'), default: refused },
});

export const getOrchestratorRoute = createRoute({
  method: 'get',
  path: '/orchestrators/{id}',
  security,
  request: { params: z.object({ id: orchestratorId }) },
  responses: { 200: answer(orchestrator, 'What the edge knows of it'), default: refused },
});

export const releaseOrchestratorRoute = createRoute({
  method: 'post',
  path: '/orchestrators/{id}/release',
  description:
    'Forgets the newest process: its database was lost, and one with an empty database may connect.',
  security,
  request: { params: z.object({ id: orchestratorId }) },
  responses: { 200: answer(orchestrator, 'What the edge knows of it'), default: refused },
});

export const listKeysRoute = createRoute({
  method: 'get',
  path: '/orchestrators/{id}/keys',
  security,
  request: { params: z.object({ id: orchestratorId }) },
  responses: { 200: answer(listOf(orchestratorKey), 'By age'), default: refused },
});

export const revokeKeyRoute = createRoute({
  method: 'post',
  path: '/orchestrators/{id}/keys/{kid}/revoke',
  description: 'Nobody dials with the key from here on, and its sockets are cut within 5 s.',
  security,
  request: { params: z.object({ id: orchestratorId, kid: z.string().min(1).max(128) }) },
  responses: { 200: answer(listOf(orchestratorKey), 'The orchestrator’s keys, by age'), default: refused },
});
