import { bodyOf } from './plan.ts';
import type { Kept } from './record.ts';
import type { Scope } from './scope.ts';
import { type Deployment, isFirst } from './state.ts';

/** Sets the Worker's addresses, but for those that it has already. */
export async function publish(deployment: Deployment, scope: Scope): Promise<Deployment> {
  const { records, context } = scope;
  const url = await addressOf(deployment, scope);
  if (scope.plan.source.kind === 'upload') await setAddresses(scope);
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
  return isThere ? url : api.publish(plan.name, context);
}

async function setAddresses(scope: Scope): Promise<void> {
  const { records, api, context, plan } = scope;
  const { routes, customDomains = [] } = bodyOf(plan);
  const known = records.worker(plan.name);
  if (routes !== undefined && JSON.stringify(routes) !== known?.routes)
    await api.route(plan.name, routes, context);
  const attached = new Set<string>(JSON.parse(known?.domains ?? '[]'));
  for (const hostname of customDomains)
    if (!attached.has(hostname)) await api.attach(plan.name, hostname, context);
}

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
