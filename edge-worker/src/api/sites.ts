import { type CreateSite, Failure, type PatchSite, type Site } from '@clawdbot/protocol';
import type {
  createSiteRoute,
  deleteSiteRoute,
  getSiteQueuedRoute,
  getSiteRoute,
  listSitesRoute,
  patchSiteRoute,
  pauseSiteRoute,
  resumeSiteRoute,
} from '@clawdbot/protocol/routes';

import { ask } from '../ask.ts';
import { requireAdmin } from '../auth/user.ts';
import type { ChannelRpc } from '../channel/rpc.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { Sites } from '../data/sites.ts';
import { type Hosts, hostnameOf } from '../hosts.ts';
import { CONTROL_LANE } from '../services.ts';
import type { ApiContext, ApiHandler } from './env.ts';

import { ERASED_PER_STEP } from './receipts.ts';

const sitesOf = (c: ApiContext) => new Sites(c.env.services.db, c.var.user.org_id);
const channelOf = (c: ApiContext, { orchestratorId }: Pick<Site, 'orchestratorId'>) =>
  c.env.services.channel(orchestratorId, CONTROL_LANE);

export const createSite: ApiHandler<typeof createSiteRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { orchestratorId, ...asked } = c.req.valid('json');
  const orchestrators = new Orchestrators(c.env.services.db, c.var.user.org_id);
  const { id } = await orchestrators.choose(orchestratorId, 'orchestratorId');
  return c.json(await make(c, { ...asked, orchestratorId: id }), 201);
};

/**
 * The object is told first and D1 written last, so that a site which D1 shows is one that its object knows; a
 * failure between the two is mended by repeating the request. Throws `Failure('conflict')` when its id or a host name
 * is taken.
 */
export async function make(c: ApiContext, asked: NewSite): Promise<Site> {
  const { services } = c.env;
  const site: Site = {
    id: asked.id,
    orgId: c.var.user.org_id,
    orchestratorId: asked.orchestratorId,
    name: asked.name ?? asked.id,
    labels: asked.labels ?? {},
    hostnames: [...new Set(asked.hostnames)].sort(),
    paused: asked.paused ?? false,
    createdAt: services.now(),
  };
  refuseOwn(site.hostnames, services.hosts);
  await sitesOf(c).refuseTakenId(site.id);
  await sitesOf(c).refuseTakenHostnames(site.id, site.hostnames);
  await ask(channelOf(c, site).putSite(site.id, { paused: site.paused, orgId: site.orgId, isNew: true }));
  await sitesOf(c).create(site);
  services.directory.forget(site.id, site.hostnames);
  return site;
}

type NewSite = CreateSite & Pick<Site, 'orchestratorId'> & { readonly paused?: boolean };

/** A site must not take over the host on which the console or the relay answers. */
function refuseOwn(hostnames: readonly string[], hosts: Hosts): void {
  const own = [hosts.console, hosts.relay].map(hostnameOf);
  const taken = hostnames.find((hostname) => own.includes(hostname));
  if (taken !== undefined) throw new Failure('conflict', `the host name "${taken}" is this system's own`);
}

export const listSites: ApiHandler<typeof listSitesRoute> = async (c) =>
  c.json(await sitesOf(c).list(c.req.valid('query')), 200);

export const getSite: ApiHandler<typeof getSiteRoute> = async (c) =>
  c.json(await sitesOf(c).get(c.req.valid('param').id), 200);

export const patchSite: ApiHandler<typeof patchSiteRoute> = async (c) =>
  c.json(await change(c, c.req.valid('param').id, c.req.valid('json')), 200);

export const pauseSite: ApiHandler<typeof pauseSiteRoute> = async (c) =>
  c.json(await change(c, c.req.valid('param').id, { paused: true }), 200);

export const resumeSite: ApiHandler<typeof resumeSiteRoute> = async (c) =>
  c.json(await change(c, c.req.valid('param').id, { paused: false }), 200);

async function change(c: ApiContext, id: string, patch: PatchSite): Promise<Site> {
  requireAdmin(c.var.user);
  const { services } = c.env;
  const sites = sitesOf(c);
  const before = await sites.get(id);
  const hostnames = patch.hostnames ?? [];
  refuseOwn(hostnames, services.hosts);
  await sites.refuseTakenHostnames(id, hostnames);
  const paused = patch.paused ?? before.paused;
  await ask(channelOf(c, before).putSite(id, { paused, orgId: before.orgId }));
  await sites.patch(id, patch);
  services.directory.forget(id, [...before.hostnames, ...hostnames]);
  return sites.get(id);
}

export const getSiteQueued: ApiHandler<typeof getSiteQueuedRoute> = async (c) => {
  const site = await sitesOf(c).get(c.req.valid('param').id);
  return c.json(await ask(channelOf(c, site).queued(site.id)), 200);
};

/** The object is told first, and D1 last: what fails in between is mended by repeating the request. */
export const deleteSite: ApiHandler<typeof deleteSiteRoute> = async (c) => {
  requireAdmin(c.var.user);
  const { force, parcels } = c.req.valid('query');
  const sites = sitesOf(c);
  const site = await sites.get(c.req.valid('param').id);
  const channel = channelOf(c, site);
  const { receipts, commands } = await ask(channel.removeSite(site.id, { ifIdle: force === 'false' }));
  const erased = parcels === 'erase' ? await eraseAll(channel, site.id, c.var.user.sub) : 0;
  const { kept } = await ask(channel.queued(site.id));
  await sites.remove(site.id);
  c.env.services.directory.forget(site.id, site.hostnames);
  const done = { siteId: site.id, receipts: { undelivered: receipts, kept, erased }, commands };
  return c.json(done, 200);
};

/** @returns how many are tombstones now */
async function eraseAll(channel: Pick<ChannelRpc, 'eraseReceipts'>, site: string, actor: string) {
  let erased = 0;
  let after: string | undefined;
  do {
    const step = await ask(channel.eraseReceipts({ site, after, limit: ERASED_PER_STEP }, actor));
    erased += step.erased;
    after = step.next ?? undefined;
  } while (after !== undefined);
  return erased;
}
