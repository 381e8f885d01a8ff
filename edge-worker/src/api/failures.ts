import { Failure, type OrchestratorResponse } from '@clawdbot/protocol';
import { API_PREFIX } from '@clawdbot/protocol/routes';
import type { ErrorHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { failureHeaders, failureOf, logFault, problemResponse } from '../problem.ts';
import type { ConsoleEnv } from './env.ts';

/** The one path whose errors have the seed's shape; what lies below it has problems, like everything else. */
const ACT_PATH = `${API_PREFIX}/orchestrator`;

/** Everything that a route throws, as its caller reads it. */
export const onError: ErrorHandler<ConsoleEnv> = (thrown, c) => {
  const { requestId, services } = c.env;
  const failure = failureOf(thrown instanceof HTTPException ? ofHono(thrown) : thrown);
  logFault(failure, requestId);
  if (c.req.path !== ACT_PATH) return problemResponse(failure, requestId);
  const body: OrchestratorResponse = {
    success: false,
    error: failure.message,
    timestamp: new Date(services.now()).toISOString(),
  };
  return Response.json(body, { status: failure.status, headers: failureHeaders(failure, requestId) });
};

/** Hono's own refusals of a body: not JSON, or said to be something else. */
function ofHono({ status, message }: HTTPException): Failure {
  if (status === 415) return new Failure('bad_request', 'content-type: expected application/json');
  return new Failure('bad_request', `the body: expected JSON (${message})`);
}
