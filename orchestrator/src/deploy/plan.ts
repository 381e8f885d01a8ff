import type { DeployWorker, RollbackWorker } from '@clawdbot/protocol';
import type { HealthCheck } from './probe.ts';

/** Percentages, and how each of them is watched; without `watch` it goes on at once. */
export interface Rollout {
  readonly stages: readonly number[];
  readonly watch?: { readonly bakeMs: number; readonly healthCheck: HealthCheck };
}

/** What a deployment is to do. Its version is uploaded, or is one that is there. */
export interface Plan {
  readonly commandId: string;
  readonly siteId: string;
  /** The Worker's; in a dispatch namespace with that before it. */
  readonly name: string;
  readonly rollout: Rollout;
  readonly source:
    | { readonly kind: 'upload'; readonly body: DeployWorker }
    | { readonly kind: 'earlier'; readonly body: RollbackWorker };
}

const AT_ONCE: Rollout = { stages: [100] };

export const deployPlan = (body: DeployWorker): Plan => ({
  commandId: body.commandId,
  siteId: body.siteId,
  name: body.dispatchNamespace === undefined ? body.name : `${body.dispatchNamespace}/${body.name}`,
  rollout: rolloutOf(body.strategy),
  source: { kind: 'upload', body },
});

export const rollbackPlan = (body: RollbackWorker): Plan => ({
  commandId: body.commandId,
  siteId: body.siteId,
  name: body.name,
  rollout: AT_ONCE,
  source: { kind: 'earlier', body },
});

function rolloutOf(strategy: DeployWorker['strategy']): Rollout {
  if (strategy?.type !== 'gradual') return AT_ONCE;
  const { steps, bakeMs, healthCheck } = strategy;
  return { stages: steps, watch: { bakeMs, healthCheck } };
}

export const isInNamespace = ({ source }: Plan): boolean =>
  source.kind === 'upload' && source.body.dispatchNamespace !== undefined;

export function bodyOf({ source }: Plan): DeployWorker {
  if (source.kind !== 'upload') throw new TypeError('an earlier version is not uploaded');
  return source.body;
}
