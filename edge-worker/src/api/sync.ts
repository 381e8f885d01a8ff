import type { nudgeSyncRoute } from '@clawdbot/protocol/routes';
import { requireMember } from '../auth/user.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { wakeAll } from '../sweep.ts';
import type { ApiHandler } from './env.ts';

/** More than an organisation has; who is beyond it is up to date within a minute, like without a nudge. */
const NUDGED_MAX = 200;

export const nudgeSync: ApiHandler<typeof nudgeSyncRoute> = async (c) => {
  requireMember(c.var.user);
  const { services } = c.env;
  const { org_id: orgId } = c.var.user;
  const { items } = await new Orchestrators(services.db, orgId).list(NUDGED_MAX);
  services.background(
    wakeAll(
      items.map(({ id }) => ({ id, orgId })),
      services,
    ),
  );
  return c.body(null, 202);
};
