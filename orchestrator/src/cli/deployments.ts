import { adoptPayload, type Deployment, explain, rollbackPayload } from '@clawdbot/protocol';

import { type Desk, show, when } from './desk.ts';
import type { DeploymentQuery } from './edge.ts';
import { follow } from './follow.ts';
import { CliError, list } from './io.ts';
import { named } from './options.ts';

/** The newest deployments, and how far each has come. */
export async function listDeployments(desk: Desk, query: DeploymentQuery): Promise<void> {
  const { items, next } = await desk.edge.deployments(query);
  show(desk, items, () => {
    const rows = items.map((item) => [
      when(item.createdAt ?? item.updatedAt),
      `${item.name}${NOTES[item.type]}`,
      item.siteId,
      stateOf(item),
      item.proof ?? '',
      item.versionId ?? '',
      item.commandId,
      (item.error ?? item.reason ?? '').replace(/\s+/g, ' '),
    ]);
    return list(['SINCE', 'WORKER', 'SITE', 'STATE', 'SEEN', 'VERSION', 'COMMAND', 'WHY'], rows);
  });
  if (next !== null) desk.io.err('there are more: raise --limit, or name --site or --worker');
}

const NOTES: Record<Deployment['type'], string> = {
  deploy_worker: '',
  rollback_worker: ' (rollback)',
  adopt_worker: ' (adopted)',
};

/** While it rolls out, how much of the traffic it has. */
const stateOf = ({ state, percentage }: Deployment): string =>
  state === 'running' && percentage !== undefined ? `at ${percentage} %` : state;

export interface RollbackOptions {
  readonly site?: string;
  readonly to?: string;
  readonly force?: true;
  readonly detach?: true;
}

/** Gives an earlier version all of a Worker's traffic, and waits for the end. */
export async function rollback(desk: Desk, name: string, options: RollbackOptions): Promise<void> {
  const { site, to, force, detach } = options;
  const payload = rollbackPayload.safeParse({
    name,
    ...(to === undefined ? {} : { versionId: to }),
    ...(force === undefined ? {} : { force }),
  });
  if (!payload.success) throw new CliError(named(explain(payload.error), { versionId: '--to' }));
  const siteId = await desk.edge.siteOr(site);
  const taken = await desk.edge.submit({ action: 'rollback_worker', siteId, payload: payload.data });
  await follow(desk, taken, detach === true);
}

export interface AdoptOptions {
  readonly site?: string;
  readonly detach?: true;
}

/** Makes a Worker that is in the account the site's, as it is, and waits for the end. */
export async function adopt(desk: Desk, name: string, { site, detach }: AdoptOptions): Promise<void> {
  const payload = adoptPayload.safeParse({ name });
  if (!payload.success) throw new CliError(explain(payload.error));
  const siteId = await desk.edge.siteOr(site);
  const taken = await desk.edge.submit({ action: 'adopt_worker', siteId, payload: payload.data });
  await follow(desk, taken, detach === true);
}
