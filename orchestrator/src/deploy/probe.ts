import { Failure, VERSION_HEADER } from '@clawdbot/protocol';
import type { Fetch } from './api-client.ts';
import type { Patience } from './patience.ts';
import type { Relayed } from './relayed.ts';
import { allowance } from './verdict.ts';

/**
 * Asks for a version by its id while a deployment has it, also at 0 %:
 * https://developers.cloudflare.com/workers/configuration/versions-and-deployments/gradual-deployments/
 */
const OVERRIDES_HEADER = 'Cloudflare-Workers-Version-Overrides';
const PROBE_TIMEOUT_MS = 5_000;

/** A version of a Worker, and where it answers. */
export interface Target {
  readonly name: string;
  readonly versionId: string;
  readonly url: string;
}

/** What one look showed. `says`: the version that answered, by its own word. */
export interface Answered {
  readonly status: number | undefined;
  readonly says: string | undefined;
}

/** Asks the version itself, by name; an answer that does not come has no status. */
export async function probe(
  { name, versionId, url }: Target,
  path: string,
  signal: AbortSignal,
  fetcher: Fetch,
): Promise<Answered> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
  try {
    const headers = { [OVERRIDES_HEADER]: `${name}="${versionId}"` };
    const response = await fetcher(within(url, path), { headers, redirect: 'manual', signal: limit });
    await response.body?.cancel();
    return { status: response.status, says: response.headers.get(VERSION_HEADER) ?? undefined };
  } catch {
    signal.throwIfAborted();
    return { status: undefined, says: undefined };
  }
}

/** On the Worker's own host whatever the path is: resolved against it, `//10.0.0.1/` would be another machine's. */
const within = (url: string, path: string): URL => new URL(new URL(url).origin + path);

/** What a version has to answer, and which share of other answers is borne. */
export interface HealthCheck {
  readonly path: string;
  readonly status: number;
  readonly maxErrorRate: number;
}

export interface Health {
  readonly probes: number;
  readonly failed: number;
  /** The version has said its own id. */
  readonly isObserved: boolean;
}

/** Fewer say nothing of a share. */
const PROBES_MIN = 5;
/** Twenty looks in a bake, whatever its length; a minute's has one every three seconds. */
const LOOKS = 20;
const INTERVAL_MS = { min: 50, max: 15_000 };
/** A new deployment takes a moment until it is known everywhere: so often another version may answer in its place. */
const OTHERS_MAX = 40;
const OTHER_PAUSE_MS = 250;

export interface CheckParts extends Pick<Patience, 'wait'> {
  readonly fetcher: Fetch;
  readonly now: () => number;
  /** What the edge counts meanwhile, where the version has traffic. */
  readonly relayed?: Pick<Relayed, 'look' | 'complaint'>;
}

/**
 * Probes a version until `until`, at least five times. Throws `Failure('deploy_failed')` as soon as more of the
 * probes have failed than `maxErrorRate` bears, whatever those to come would show, or more of its relayed requests.
 */
export async function checkHealth(
  target: Target,
  check: HealthCheck,
  { until, bakeMs }: { readonly until: number; readonly bakeMs: number },
  signal: AbortSignal,
  { wait, fetcher, now, relayed }: CheckParts,
): Promise<Health> {
  const intervalMs = Math.min(INTERVAL_MS.max, Math.max(INTERVAL_MS.min, bakeMs / LOOKS));
  let [probes, failed, others] = [0, 0, 0];
  let isObserved = false;
  // Behind a clock that was put back, `until` is further away than the stage is long.
  let leftMs = Math.min(until - now(), bakeMs);
  for (;;) {
    const [{ status, says }] = await Promise.all([
      probe(target, check.path, signal, fetcher),
      relayed?.look(),
    ]);
    const isOther = says !== undefined && says !== target.versionId;
    if (isOther) {
      if (++others > OTHERS_MAX) throw unreachable(target, says);
    } else {
      isObserved ||= says === target.versionId;
      probes++;
      if (status !== check.status) failed++;
      if (failed / Math.max(probes, PROBES_MIN) > check.maxErrorRate)
        throw unhealthy(target, check, { probes, failed, status });
    }
    const complaint = relayed?.complaint(check.maxErrorRate);
    if (complaint !== undefined) throw ill(complaint, { probes, failed });
    if (probes >= PROBES_MIN && leftMs <= 0) return { probes, failed, isObserved };
    const pauseMs = isOther ? Math.max(intervalMs, OTHER_PAUSE_MS) : intervalMs;
    await wait(pauseMs, signal);
    leftMs = Math.min(leftMs - pauseMs, until - now());
  }
}

function unhealthy(
  { url }: Target,
  { path, status: wanted, maxErrorRate }: HealthCheck,
  { probes, failed, status }: { probes: number; failed: number; status: number | undefined },
): Failure {
  const last = status === undefined ? 'did not answer' : `answered ${status}`;
  const address = within(url, path).href;
  return new Failure(
    'deploy_failed',
    `the health check failed: ${failed} of ${probes} probes got no ${wanted}, and ${allowance(maxErrorRate)}; ${address} ${last}`,
  );
}

/** The words of a step's history, too. */
export const probesOf = ({ probes, failed }: Pick<Health, 'probes' | 'failed'>): string =>
  `${probes - failed} of ${probes} probes`;

const ill = (complaint: string, health: Pick<Health, 'probes' | 'failed'>): Failure =>
  new Failure('deploy_failed', `${complaint}; ${probesOf(health)} were fine`);

const unreachable = ({ url, versionId }: Target, says: string): Failure =>
  new Failure(
    'deploy_failed',
    `the health check could not reach the new version: ${url} is answered by ${says}, also when ${versionId} is asked for by name`,
  );
