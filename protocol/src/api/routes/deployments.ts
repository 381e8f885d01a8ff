import { createRoute } from '@hono/zod-openapi';
import type { z } from 'zod';
import { workerName } from '../../commands/index.ts';
import { orchestratorId, siteId } from '../../ids.ts';
import { deployment, listOf, listQuery } from '../resources.ts';
import { answer, refused, security } from './parts.ts';

const deploymentFilter = listQuery
  .extend({
    site: siteId.optional(),
    name: workerName.optional(),
    orchestrator: orchestratorId.optional(),
  })
  .strict();
export type DeploymentFilter = z.infer<typeof deploymentFilter>;

export const listDeploymentsRoute = createRoute({
  method: 'get',
  path: '/deployments',
  description:
    'By orchestrator, newest first: deployments, rollbacks and adoptions of Workers, with their receipts.',
  security,
  request: { query: deploymentFilter },
  responses: { 200: answer(listOf(deployment), 'Deployments'), default: refused },
});
