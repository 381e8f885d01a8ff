import type { Logger } from '../log.ts';
import { isStorageFault, LeaseLost } from '../store/index.ts';
import type { Api, Served } from './api.ts';
import type { CallBudget } from './budget.ts';
import type { Checked, Records } from './record.ts';
import type { Scope } from './scope.ts';

export interface DriftParts {
  readonly records: Records;
  readonly api: () => Promise<Api>;
  readonly log: Logger;
  /** Of the looks alone; a round makes a window's calls at most. */
  readonly budget: Pick<CallBudget, 'share' | 'take'>;
}

/**
 * Looks whether what this orchestrator has deployed still serves: one call each, those first that were not looked at
 * for longest. What somebody has changed outside is told and shown, never overwritten. @returns whether anything was told
 */
export async function checkDrift(
  { records, api, log, budget }: DriftParts,
  signal: AbortSignal,
): Promise<boolean> {
  const due = records.toCheck(budget.share.calls);
  if (due.length === 0) return false;
  const cloudflare = await api();
  let told = false;
  for (const worker of due) {
    try {
      await budget.take(signal);
      const served = await cloudflare.deployments(worker.name, signal);
      told = records.checked(worker, differenceOf(worker, served)) || told;
    } catch (error) {
      if (signal.aborted) return told;
      if (error instanceof LeaseLost || isStorageFault(error)) throw error;
      log.warn('it could not be seen whether a Worker was changed outside', { name: worker.name, error });
    }
  }
  return told;
}

/** Says in the command's history what somebody has changed outside, and it replaces. */
export function tellReplaced({ plan, records, context }: Scope, served: readonly Served[] | undefined): void {
  const versionId = records.worker(plan.name)?.versionId;
  const difference = versionId === undefined ? undefined : differenceOf({ versionId }, served);
  if (difference !== undefined) context.progress('replaces', difference);
}

/** In words; undefined when all is as it was deployed. */
export function differenceOf(
  { versionId }: Pick<Checked, 'versionId'>,
  served: readonly Served[] | undefined,
): string | undefined {
  const [current] = served ?? [];
  if (current === undefined) return 'the Worker is gone';
  const [only, another] = current.traffic;
  if (another === undefined && only?.versionId === versionId && only.percentage === 100) return undefined;
  const shares = current.traffic.map((share) => `${share.percentage} % to version ${share.versionId}`);
  return `it was deployed outside: ${shares.join(', ')}, not 100 % to ${versionId}`;
}
