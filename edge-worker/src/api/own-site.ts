import { Failure } from '@clawdbot/protocol';
import type { ChannelRpc } from '../channel/rpc.ts';
import type { SiteEntry } from '../data/directory.ts';
import { CONTROL_LANE } from '../services.ts';
import type { ApiContext } from './env.ts';

/**
 * A site of the asker's organisation, as the relay knows it: what goes on to its object must not wait for D1.
 * Throws `not_found`, for another organisation's too.
 */
export async function ownSite(c: ApiContext, siteId: string): Promise<SiteEntry> {
  const { directory, db, background } = c.env.services;
  const site = await directory.site(siteId, { db, background });
  if (site === undefined || site.orgId !== c.var.user.org_id) {
    throw new Failure('not_found', `no site "${siteId}" in this organisation`);
  }
  return site;
}

/** The object that holds a site of the asker's organisation. Throws `not_found`, for another organisation's too. */
export async function ownChannel(c: ApiContext, siteId: string): Promise<ChannelRpc> {
  const { orchestratorId } = await ownSite(c, siteId);
  return c.env.services.channel(orchestratorId, CONTROL_LANE);
}
