import { Failure, type PatchSite, type Site } from '@clawdbot/protocol';
import type {
  createSiteRoute,
  deleteSiteRoute,
  getSiteRoute,
  listSitesRoute,
  patchSiteRoute,
  pauseSiteRoute,
  resumeSiteRoute,
} from '@clawdbot/protocol/routes';
import { ask } from '../ask.ts';
import { requireAdmin } from '../auth/user.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { Sites } from '../data/sites.ts';
import { type Hosts, hostnameOf } from '../hosts.ts';
import { CONTROL_LANE } from '../services.ts';
import type { ApiContext, ApiHandler } from './env.ts';

const sitesOf = (c: ApiContext) => new Sites(c.env.services.db, c.var.user.org_id);
const channelOf = (c: ApiContext, { orchestratorId }: Pick<Site, 'orchestratorId'>) =>
  c.env.services.channel(orchestratorId, CONTROL_LANE);

/**
 * The object is told first and D1 written last, so that a site which D1 shows is one that its object knows; a
 * failure between the two is mended by repeating the request.
 */
export const createSite: ApiHandler<typeof createSiteRoute> = async (c) => {
  requireAdmin(c.var.user);
  const asked = c.req.valid('json');
  const { services } = c.env;
  const orchestrators = new Orchestrators(services.db, c.var.user.org_id);
  const { id: orchestratorId } = await orchestrators.choose(asked.orchestratorId, 'orchestratorId');
  const site: Site = {
    id: asked.id,
    orgId: c.var.user.org_id,
    orchestratorId,
    name: asked.name ?? asked.id,
    labels: asked.labels ?? {},
    hostnames: [...new Set(asked.hostnames)].sort(),
    paused: false,
    createdAt: services.now(),
  };
  refuseOwn(site.hostnames, services.hosts);
  await sitesOf(c).refuseTakenId(site.id);
  await sitesOf(c).refuseTakenHostnames(site.id, site.hostnames);
  await ask(channelOf(c, site).putSite(site.id, { paused: false, orgId: site.orgId }));
  await sitesOf(c).create(site);
  services.directory.forget(site.id, site.hostnames);
  return c.json(site, 201);
};

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

export const deleteSite: ApiHandler<typeof deleteSiteRoute> = async (c) => {
  requireAdmin(c.var.user);
  const sites = sitesOf(c);
  const site = await sites.get(c.req.valid('param').id);
  await ask(channelOf(c, site).removeSite(site.id));
  await sites.remove(site.id);
  c.env.services.directory.forget(site.id, site.hostnames);
  return c.body(null, 204);
};
