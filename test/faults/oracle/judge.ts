import { becomes } from '../../sandbox/processes/polling.ts';
import type { Ledger } from '../ledger.ts';
import type { Rig } from '../rig.ts';
import type { Violation } from '../violation.ts';
import { collect } from './collect.ts';
import { compare } from './compare.ts';
import type { Evidence } from './evidence.ts';

/** Far more than any backoff in the system: what is not well by then is stuck. */
const WELL_WITHIN_MS = 45_000;

export interface Verdict {
  /** Empty: all is as it should be. */
  readonly violations: readonly Violation[];
  readonly evidence: Evidence | undefined;
}

/** Compares until both sides agree with what was given, or time is up: the last comparison is the verdict. */
export async function judge(rig: Rig, given: Ledger, withinMs = WELL_WITHIN_MS): Promise<Verdict> {
  let verdict: Verdict = {
    violations: [{ kind: 'stuck', what: 'the edge does not answer' }],
    evidence: undefined,
  };
  await becomes(async () => {
    if (!(await isIdle(rig))) return false;
    const evidence = await collect(rig);
    verdict = { violations: compare(given, evidence), evidence };
    return isSettled(verdict.violations);
  }, withinMs);
  // It was never idle: what is known then is what to show.
  if (verdict.evidence === undefined) {
    const evidence = await collect(rig);
    const found = compare(given, evidence);
    verdict = { violations: found.length > 0 ? found : verdict.violations, evidence };
  }
  return verdict;
}

/** All is well, or Cloudflare has a version too many, which no waiting undoes. */
const isSettled = (violations: readonly Violation[]): boolean =>
  violations.length === 0 || violations.some(({ kind }) => kind === 'two effects');

/** A cheap look before the databases are copied: connected, and nothing waits at the edge. */
async function isIdle(rig: Rig): Promise<boolean> {
  try {
    const { json } = await rig.api(`/api/v1/orchestrators/${rig.file.orchestratorId}`);
    const queues = Object.values(json?.queues ?? { unknown: 1 });
    return json?.presence?.state === 'online' && queues.every((depth) => depth === 0);
  } catch {
    return false; // Not there yet, or too slow: it is asked again.
  }
}
