import { Failure, type SessionInfo, type UserClaims } from '@clawdbot/protocol';
import type { createSessionRoute, deleteSessionRoute, getSessionRoute } from '@clawdbot/protocol/routes';
import { setSession } from '../auth/cookie.ts';
import { verifyUser } from '../auth/user.ts';
import type { ApiHandler } from './env.ts';

const NO_STORE = { 'Cache-Control': 'no-store' };

/** A pasted JWT becomes a cookie that no page can read, of the same life. */
export const createSession: ApiHandler<typeof createSessionRoute> = (c) => {
  const { jwt, now } = c.env.services;
  const { token } = c.req.valid('json');
  const user = verifyUser(token, jwt, now());
  const cookie = setSession(c.req.url, token, user.exp - Math.floor(now() / 1_000));
  if (cookie === undefined) throw new Failure('forbidden', 'sign in over HTTPS: here anybody could read it');
  return c.json(shown(user), 200, { ...NO_STORE, 'Set-Cookie': cookie });
};

export const getSession: ApiHandler<typeof getSessionRoute> = (c) => c.json(shown(c.var.user), 200, NO_STORE);

/** Needs no token: whoever has none, or an old one, is signed out as well. */
export const deleteSession: ApiHandler<typeof deleteSessionRoute> = (c) => {
  const cookie = setSession(c.req.url, '', 0);
  return c.body(null, 204, { ...NO_STORE, ...(cookie === undefined ? {} : { 'Set-Cookie': cookie }) });
};

const shown = ({ sub, org_id: orgId, role, exp }: UserClaims): SessionInfo => ({
  sub,
  orgId,
  role,
  expiresAt: exp * 1_000,
});
