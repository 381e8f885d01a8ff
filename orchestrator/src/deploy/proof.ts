import type { DeployResult } from '@clawdbot/protocol';
import type { Fetch } from './api.ts';
import type { Patience } from './retry.ts';

type Proof = DeployResult['proof'];

/** The header in which a Worker says which version of it answered; our templates do. */
const VERSION_HEADER = 'worker-version';
/** Pauses before each look: a new address takes a moment until it is known everywhere. */
const PAUSES_MS = [0, 250, 500, 1_000, 2_000, 4_000];
const LOOK_TIMEOUT_MS = 5_000;

interface Look {
  readonly proof: Proof;
  /** Looking again would show nothing better. */
  readonly final: boolean;
}

function judge({ status, headers }: Response, versionId: string): Look {
  const says = headers.get(VERSION_HEADER);
  if (says === versionId) return { proof: 'observed', final: true };
  // Until a new address is known, Cloudflare itself answers 404; another version may still serve for a moment.
  const maybeTooEarly = says !== null || status === 404;
  return status < 500 ? { proof: 'reachable', final: !maybeTooEarly } : { proof: 'accepted', final: false };
}

async function look(url: string, versionId: string, signal: AbortSignal, fetcher: Fetch): Promise<Look> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LOOK_TIMEOUT_MS)]);
  try {
    const response = await fetcher(url, { redirect: 'manual', signal: limit });
    await response.body?.cancel();
    return judge(response, versionId);
  } catch {
    signal.throwIfAborted();
    return { proof: 'accepted', final: false };
  }
}

/**
 * How far a deployment can be seen from outside: `observed` when the version that answers says so itself,
 * `reachable` when something answers, else `accepted`. Looks again for about ten seconds.
 */
export async function prove(
  url: string,
  versionId: string,
  signal: AbortSignal,
  { wait, fetcher }: Pick<Patience, 'wait'> & { readonly fetcher: Fetch },
): Promise<Proof> {
  let best: Proof = 'accepted';
  for (const pause of PAUSES_MS) {
    if (pause > 0) await wait(pause, signal);
    const { proof, final } = await look(url, versionId, signal, fetcher);
    if (final) return proof;
    if (proof === 'reachable') best = proof;
  }
  return best;
}
