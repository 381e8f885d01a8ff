import type { DeployResult } from '@clawdbot/protocol';
import type { Fetch } from './api-client.ts';
import type { Patience } from './patience.ts';
import { type Answered, probe, type Target } from './probe.ts';

type Proof = DeployResult['proof'];

/** Pauses before each look: a new address takes a moment until it is known everywhere. */
const PAUSES_MS = [0, 250, 500, 1_000, 2_000, 4_000];

interface Look {
  readonly proof: Proof;
  /** Looking again would show nothing better. */
  readonly final: boolean;
}

function judge({ status, says }: Answered, versionId: string): Look {
  if (status === undefined) return { proof: 'accepted', final: false };
  if (says === versionId) return { proof: 'observed', final: true };
  // Until a new address is known, Cloudflare itself answers 404; another version may still serve for a moment.
  const maybeTooEarly = says !== undefined || status === 404;
  return status < 500 ? { proof: 'reachable', final: !maybeTooEarly } : { proof: 'accepted', final: false };
}

/**
 * How far a version can be seen from outside: `observed` when it answers with its own id, `reachable` when something
 * answers, else `accepted`. Looks again for about ten seconds.
 */
export async function prove(
  target: Target,
  signal: AbortSignal,
  { wait, fetcher }: Pick<Patience, 'wait'> & { readonly fetcher: Fetch },
): Promise<Proof> {
  let best: Proof = 'accepted';
  for (const pause of PAUSES_MS) {
    if (pause > 0) await wait(pause, signal);
    const { proof, final } = judge(await probe(target, '', signal, fetcher), target.versionId);
    if (final) return proof;
    if (proof === 'reachable') best = proof;
  }
  return best;
}
