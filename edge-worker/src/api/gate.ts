import { explain, Failure } from '@clawdbot/protocol';
import type { MiddlewareHandler } from 'hono';
import type { ZodError } from 'zod';
import { identify, isSafe, refuseForeign } from '../auth/visitor.ts';
import { readBody } from '../body.ts';
import type { ApiEnv } from './env.ts';

/**
 * A deployment's modules are 10 MiB at most, 4/3 of that as base64; text in JSON may be escaped, and the rest
 * of the request needs room too.
 */
const ACT_BYTES_MAX = 16 * 1024 * 1024;
/** Everything else: a site with all its labels and host names is some 40 KB. */
const BODY_BYTES_MAX = 256 * 1024;

/** What changes something comes from our own pages, or from no page at all. */
export const ownPages: MiddlewareHandler<ApiEnv> = async (c, next) => {
  if (!isSafe(c.req.method)) refuseForeign(c.req.raw);
  await next();
};

/** Who asks must be known before anything else is looked at. */
export const signedIn: MiddlewareHandler<ApiEnv> = async (c, next) => {
  c.set('user', identify(c.req.raw, c.env.services));
  await next();
};

const limited =
  (bytesMax: number): MiddlewareHandler<ApiEnv> =>
  async (c, next) => {
    const body = await readBody(c.req.raw, bytesMax);
    // The same request, its body in memory: the validators read it from here.
    if (body !== null) c.req.raw = new Request(c.req.raw, { body });
    await next();
  };

/** Reads a body no further than what its route takes. */
export const limitedForAct = limited(ACT_BYTES_MAX);
export const limitedBody = limited(BODY_BYTES_MAX);

/** What the validators say of a body, a query, a header or a path that is not as the route says. */
export function refuseInvalid(result: { success: true } | { success: false; error: ZodError }): undefined {
  if (!result.success) throw new Failure('bad_request', explain(result.error));
  return undefined;
}
