import type { Posted } from './flood.ts';

/** What the upstream has written down. */
export interface Received {
  readonly receiptId: string | null;
  readonly path: string;
  readonly sha256: string;
}

export interface Verdict {
  readonly good: boolean;
  readonly arrived: number;
  /** Receipts that never arrived. */
  readonly missing: readonly string[];
  /** Deliveries beyond the first of a receipt, under its key. */
  readonly repeats: number;
  /** Deliveries under a key that no receipt has. */
  readonly strangers: readonly string[];
  readonly changed: readonly string[];
  /** By how many places a first arrival came before one that was stored before it, within its route. */
  readonly displacement: number;
}

/** Attempts of a route that may be under way at once: by so many places one may overtake another. */
const AT_ONCE = 16;

export function compare(posted: readonly Posted[], received: readonly Received[]): Verdict {
  const known = new Map(posted.map((it) => [it.receiptId, it]));
  const first = new Map<string, Received>();
  const strangers: string[] = [];
  for (const it of received) {
    if (it.receiptId === null || !known.has(it.receiptId))
      strangers.push(`unknown key: ${it.receiptId} ${it.path}`);
    else if (!first.has(it.receiptId)) first.set(it.receiptId, it);
  }
  const missing = posted
    .filter(({ receiptId }) => !first.has(receiptId))
    .map((it) => `missing: ${it.receiptId}`);
  const changed = received
    .filter(({ receiptId, sha256 }) => known.get(receiptId ?? '')?.sha256 !== sha256)
    .map((it) => `another body: ${it.receiptId} ${it.path}`);
  const displacement = displaced([...first.values()]);
  return {
    good: missing.length + strangers.length + changed.length === 0 && displacement <= AT_ONCE,
    arrived: first.size,
    missing,
    repeats: received.length - strangers.length - first.size,
    strangers,
    changed,
    displacement,
  };
}

function displaced(arrivals: readonly Received[]): number {
  const routes = Map.groupBy(arrivals, ({ path }) => path.replace(/[^/]*$/, ''));
  return Math.max(0, ...[...routes.values()].map(displacedIn));
}

function displacedIn(arrivals: readonly Received[]): number {
  const times = arrivals.map(storedAt);
  // Of those that were stored in the same millisecond nobody knows which was first.
  const place = new Map(
    times
      .toSorted()
      .map((time, at) => [time, at] as const)
      .toReversed(),
  );
  return Math.max(0, ...times.map((time, at) => (place.get(time) ?? 0) - at));
}

/** The time in a receipt's id, which counts up: nine digits behind the orchestrator's name. */
const storedAt = ({ receiptId }: Received): string => receiptId?.split('_').at(-1)?.slice(0, 9) ?? '';
