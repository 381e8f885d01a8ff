import { Failure } from '@clawdbot/protocol';
import type { HttpBindings } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context, MiddlewareHandler } from 'hono';
import { type Identity, verifyLocalToken } from '../identity.ts';
import type { RateLimit } from './limit.ts';

/** A request that came over the channel: the edge has checked who asks, and that they are an admin. */
interface FromEdge {
  readonly requestId: string;
  /** The verified token's `sub`, for the log. */
  readonly actor: string;
}

/**
 * `edge` is set by the process itself when it calls the app, and by nothing that a request could carry; with
 * `incoming` the request came by HTTP.
 */
export interface AppEnv {
  Bindings: Partial<HttpBindings> & { edge?: FromEdge };
  Variables: { requestId: string; actor: string };
}

export interface AuthOptions {
  readonly identity: Identity;
  readonly orchestratorId: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Lets the edge's calls through, and HTTP requests with a token of this orchestrator's own key. */
export function authenticated({ identity, orchestratorId, now }: AuthOptions): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const edge = c.env.edge;
    if (edge === undefined) {
      const token = /^Bearer (\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
      if (token === undefined) {
        throw new Failure(
          'unauthorized',
          'send "Authorization: Bearer <token>", signed with this orchestrator’s key',
        );
      }
      c.set('actor', verifyLocalToken(identity, { orchestratorId, token, now: now() }).sub);
    } else c.set('actor', edge.actor);
    await next();
  };
}

const addressOf = (c: Context<AppEnv>): string => getConnInfo(c).remote.address ?? '';

/** Of HTTP requests only: what comes over the channel was let in by the edge. */
export function limited(limit: RateLimit): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const waitMs = c.env.edge === undefined ? limit.take(addressOf(c)) : 0;
    if (waitMs > 0) throw new Failure('rate_limited', 'too many requests: wait', { retryAfterMs: waitMs });
    await next();
  };
}
