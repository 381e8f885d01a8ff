import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { idempotencyKey, orchestratorRequest, orchestratorResponse } from '../orchestrator.ts';
import { answer, bodyOf, security } from './parts.ts';

/** What an operator asks of a site's orchestrator; every answer, errors too, in the same envelope. */
export const actRoute = createRoute({
  method: 'post',
  path: '/orchestrator',
  security,
  request: {
    headers: z.object({ 'idempotency-key': idempotencyKey.optional() }),
    body: bodyOf(orchestratorRequest),
  },
  responses: {
    200: answer(
      orchestratorResponse,
      'get_status: the orchestrator as it is now; an update_config that changes nothing: data.unchanged, and in data.generation the one there is',
    ),
    202: answer(orchestratorResponse, 'Any other action: taken; follow data.commandId'),
    default: answer(orchestratorResponse, 'Why it was refused, in error'),
  },
});
