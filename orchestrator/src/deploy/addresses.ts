import { Failure } from '@clawdbot/protocol';
import { bodyOf } from './plan.ts';
import type { Kept } from './record.ts';
import type { Scope } from './scope.ts';
import { type Deployment, type Facts, isFirst } from './state.ts';

/** Sets the Worker's addresses, but for those that it has already. */
export async function publish(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { records, context } = scope;
  const note = await noteOf(deployment, scope);
  // A commit of its own, to be found by whoever undoes this when a call below fails: the step begins again behind it.
  if (note !== undefined) return records.advance(deployment, 'publishing', { addresses: note }, () => {});
  const url = await addressOf(deployment, scope);
  await setAddresses(deployment, scope);
  const next = isFirst(deployment) && scope.plan.rollout.watch !== undefined ? 'baking' : 'proving';
  const since = scope.now();
  return records.advance(deployment, next, { url, since }, () => context.progress('deployed', url));
}

/** Where the Worker answers; a Worker that this orchestrator has put there is there. */
export async function addressOf(deployment: Deployment, scope: Scope): Promise<string> {
  const { records, api, context, plan } = scope;
  const known = isFirst(deployment) ? undefined : records.worker(plan.name);
  const url = deployment.facts.url ?? (known?.isDeployed === true ? known.url : undefined);
  // A Worker that was adopted may have none: an earlier version of it gets none either.
  const isThere = url !== undefined && (url !== '' || plan.source.kind === 'earlier');
  return isThere ? url : api.addresses.publish(plan.name, context);
}

/**
 * What of the wanted addresses this orchestrator has not set already, or somebody may have changed since; `routes` are
 * all of the Worker's.
 */
function wanted({ plan, records }: Scope): { routes?: readonly string[]; domains: readonly string[] } {
  if (plan.source.kind !== 'upload') return { domains: [] };
  const { routes, customDomains = [] } = bodyOf(plan);
  const known = records.worker(plan.name);
  const isAsSet = known?.drift === undefined;
  const attached = new Set<string>(isAsSet ? JSON.parse(known?.domains ?? '[]') : []);
  const isNew = routes !== undefined && !(isAsSet && JSON.stringify(routes) === known?.routes);
  const domains = customDomains.filter((hostname) => !attached.has(hostname));
  return { ...(isNew && { routes }), domains };
}

/** Throws `Failure('conflict')` when a host name that is to be attached is another Worker's. */
export async function checkHostnames(scope: Scope): Promise<void> {
  await unattached(scope);
}

/** Those of the wanted host names that nobody has. */
async function unattached(scope: Scope): Promise<string[]> {
  const { domains } = wanted(scope);
  if (domains.length === 0) return [];
  const { api, plan, context } = scope;
  const known = await api.addresses.domains({}, context.signal);
  const theirs = known.find(({ hostname, service }) => service !== plan.name && domains.includes(hostname));
  if (theirs !== undefined) throw taken(theirs.hostname, theirs.service);
  return domains.filter((hostname) => known.every((domain) => domain.hostname !== hostname));
}

const taken = (hostname: string, service: string): Failure =>
  new Failure(
    'conflict',
    `the host name ${hostname} is the Worker ${service}'s: detach it there first, or leave it out of customDomains`,
  );

/** What is about to be changed, and was not written down yet. */
async function noteOf(deployment: Deployment, scope: Scope): Promise<Facts['addresses']> {
  const { api, plan, context } = scope;
  const { routes, domains } = wanted(scope);
  const isNothing = routes === undefined && domains.length === 0;
  if (isNothing || deployment.facts.addresses !== undefined) return undefined;
  const added = await unattached(scope);
  if (routes === undefined) return { domains: added };
  return { domains: added, routes: await api.addresses.routes(plan.name, context.signal) };
}

async function setAddresses({ facts: { addresses } }: Deployment, scope: Scope): Promise<void> {
  const { api, context, plan } = scope;
  const { routes } = wanted(scope);
  if (routes !== undefined) await api.addresses.route(plan.name, routes, context);
  for (const hostname of addresses?.domains ?? []) await api.addresses.attach(plan.name, hostname, context);
}

/**
 * Takes back what `publish` has changed, where it still is so. Safe to repeat. @returns what was done, as the end of a
 * sentence
 */
export async function withdraw({ facts: { addresses } }: Deployment, scope: Scope): Promise<string> {
  if (addresses === undefined) return '';
  const domains = await detached(addresses.domains, scope);
  const isRouted = addresses.routes !== undefined && (await rerouted(addresses.routes, scope));
  return [
    ...(isRouted ? [`its routes are as they were`] : []),
    ...(domains.length > 0 ? [`${domains.join(', ')} is detached again`] : []),
  ]
    .map((what) => `; ${what}`)
    .join('');
}

async function detached(hostnames: readonly string[], scope: Scope): Promise<string[]> {
  const { api, plan, context } = scope;
  if (hostnames.length === 0) return [];
  const known = await api.addresses.domains({ service: plan.name }, context.stop);
  const own = known.filter(({ hostname, service }) => service === plan.name && hostnames.includes(hostname));
  for (const domain of own) await api.addresses.detach(domain, context.stop);
  return own.map(({ hostname }) => hostname);
}

async function rerouted(before: readonly string[], scope: Scope): Promise<boolean> {
  const { stop } = scope.context;
  const { api, plan } = scope;
  const now = await api.addresses.routes(plan.name, stop);
  if (!isSameSet(now, bodyOf(plan).routes ?? []) || isSameSet(now, before)) return false;
  await api.addresses.route(plan.name, before, { signal: stop, stop });
  return true;
}

/** In any order: Cloudflare keeps none. */
export const isSameSet = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((pattern) => other.includes(pattern));

/** What a Worker has from now on, to be kept beside it. */
export function keptOf({ plan, records }: Scope): Kept {
  if (plan.source.kind !== 'upload') return {};
  const { routes, customDomains = [], health, strategy } = plan.source.body;
  const check = strategy?.type === 'gradual' ? strategy.healthCheck : undefined;
  const lookedAt = health ?? (check && { path: check.path, status: check.status }) ?? null;
  const attached: string[] = JSON.parse(records.worker(plan.name)?.domains ?? '[]');
  return {
    ...(routes === undefined ? {} : { routes: JSON.stringify(routes) }),
    domains: JSON.stringify([...new Set([...attached, ...customDomains])]),
    lookedAt: JSON.stringify(lookedAt),
  };
}
