import { createRoute } from '@hono/zod-openapi';
import { refused, security } from './parts.ts';

export const nudgeSyncRoute = createRoute({
  method: 'post',
  path: '/sync',
  description:
    'Rows of the shared tables have changed: they go to the orchestrators at once instead of within a minute.',
  security,
  responses: { 202: { description: 'On their way' }, default: refused },
});
