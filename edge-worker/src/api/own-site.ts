import { Failure } from '@clawdbot/protocol';
import type { SiteEntry } from '../data/directory.ts';
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
