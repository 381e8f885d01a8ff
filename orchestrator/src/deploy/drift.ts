import type { Logger } from '../log.ts';
import { isStorageFault, LeaseLost } from '../store/index.ts';
import { isSameSet } from './addresses.ts';
import type { Api, Served } from './api.ts';
import type { Domain } from './api-addresses.ts';
import type { CallBudget } from './budget.ts';
import type { Records } from './record.ts';
import type { Checked } from './rows.ts';
import type { Scope } from './scope.ts';

export interface DriftParts {
  readonly records: Records;
  readonly api: () => Promise<Api>;
  readonly log: Logger;
  /** Of the looks alone; a round makes a window's calls at most. */
  readonly budget: Pick<CallBudget, 'share' | 'take'>;
}

/**
 * Looks whether what this orchestrator has deployed still serves, and where: those first that were not looked at for
 * longest. What somebody has changed outside is told and shown, never overwritten. @returns whether anything was told
 */
export async function checkDrift(
  { records, api, log, budget }: DriftParts,
  signal: AbortSignal,
): Promise<boolean> {
  const callsMax = budget.share.calls;
  const due = records.toCheck(callsMax);
  if (due.length === 0) return false;
  const look = new Look(await api(), budget, signal);
  let told = false;
  for (const worker of due) {
    if (look.calls >= callsMax) break;
    try {
      told = records.checked(worker, await look.differences(worker)) || told;
    } catch (error) {
      if (signal.aborted) return told;
      if (error instanceof LeaseLost || isStorageFault(error)) throw error;
      log.warn('it could not be seen whether a Worker was changed outside', { name: worker.name, error });
    }
  }
  return told;
}

/** One round of looks: a call for each Worker, another for its routes if it was given any, and one for all host names. */
class Look {
  calls = 0;
  readonly #api: Api;
  readonly #budget: DriftParts['budget'];
  readonly #signal: AbortSignal;
  #domains: readonly Domain[] | undefined;

  constructor(api: Api, budget: DriftParts['budget'], signal: AbortSignal) {
    this.#api = api;
    this.#budget = budget;
    this.#signal = signal;
  }

  /** In words; undefined when all is as it was deployed. */
  async differences(worker: Checked): Promise<string | undefined> {
    const served = await this.#call(() => this.#api.deployments(worker.name, this.#signal));
    const all = [differenceOf(worker, served)];
    if (served?.[0] !== undefined) all.push(await this.#inRoutes(worker), await this.#inDomains(worker));
    const words = all.filter((difference) => difference !== undefined);
    return words.length === 0 ? undefined : words.join('; ');
  }

  async #inRoutes({ name, routes }: Checked): Promise<string | undefined> {
    if (routes === undefined) return undefined;
    const now = await this.#call(() => this.#api.addresses.routes(name, this.#signal));
    if (isSameSet(now, routes)) return undefined;
    return `its routes were changed outside: ${listed(now)}, not ${listed(routes)}`;
  }

  async #inDomains({ name, domains }: Checked): Promise<string | undefined> {
    if (domains.length === 0) return undefined;
    this.#domains ??= await this.#call(() => this.#api.addresses.domains({}, this.#signal));
    const own = this.#domains.filter(({ service }) => service === name);
    const gone = domains.filter((wanted) => own.every(({ hostname }) => hostname !== wanted));
    return gone.length === 0 ? undefined : `it was taken off ${listed(gone)}`;
  }

  async #call<T>(call: () => Promise<T>): Promise<T> {
    this.calls += 1;
    await this.#budget.take(this.#signal);
    return call();
  }
}

const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));

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
