import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { siteId } from '../../ids.ts';
import { event, listOf, listQuery } from '../resources.ts';
import { answer, refused, security } from './parts.ts';

const eventFilter = listQuery
  .extend({
    site: siteId.optional(),
    type: z.enum(['worker_deployment', 'config_change', 'health_check']).optional(),
    order: z.enum(['asc', 'desc']).default('desc'),
  })
  .strict();
export type EventFilter = z.infer<typeof eventFilter>;

export const listEventsRoute = createRoute({
  method: 'get',
  path: '/events',
  description:
    'Newest first. With order=asc oldest first, and `next` is never null: ask again with it for what has happened since.',
  security,
  request: { query: eventFilter },
  responses: { 200: answer(listOf(event), 'Events of the VPSes'), default: refused },
});
