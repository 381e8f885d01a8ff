import type { WorkerCheck } from '@clawdbot/protocol';

/** The field on which a curve is drawn; it is scaled to the room there is. */
export const WIDTH = 480;
export const HEIGHT = 72;
/** Room for marks and the line's own width. */
const PAD = 5;

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Curve {
  /** Latency over time, from left to right; broken where nobody answered. */
  readonly lines: readonly (readonly Point[])[];
  /** Where a look failed. */
  readonly failures: readonly Point[];
  /** Where another version began to answer. */
  readonly turns: readonly number[];
  /** What the top of the field stands for, in milliseconds. */
  readonly topMs: number;
  readonly from: number;
  readonly to: number;
}

/** @param checks the newest first; undefined when there are none */
export function curveOf(checks: readonly WorkerCheck[]): Curve | undefined {
  const looks = checks.toReversed();
  const [from, to] = [looks[0]?.at, looks.at(-1)?.at];
  if (from === undefined || to === undefined) return undefined;
  const topMs = rounded(Math.max(1, ...looks.map(({ latencyMs = 0 }) => latencyMs)));
  const xOf = (at: number) =>
    to === from ? WIDTH / 2 : PAD + ((at - from) / (to - from)) * (WIDTH - 2 * PAD);
  const yOf = (ms: number) => HEIGHT - PAD - (ms / topMs) * (HEIGHT - 2 * PAD);
  const pointOf = ({ at, latencyMs = 0 }: WorkerCheck) => ({ x: xOf(at), y: yOf(latencyMs) });
  return {
    lines: unbroken(looks).map((part) => part.map(pointOf)),
    failures: looks.filter(({ ok }) => !ok).map(pointOf),
    turns: looks.filter(isTurn).map(({ at }) => xOf(at)),
    ...{ topMs, from, to },
  };
}

/** Runs of looks that were answered. */
function unbroken(looks: readonly WorkerCheck[]): WorkerCheck[][] {
  const parts: WorkerCheck[][] = [[]];
  for (const look of looks) {
    if (look.latencyMs === undefined) parts.push([]);
    else parts.at(-1)?.push(look);
  }
  return parts.filter(({ length }) => length > 0);
}

/** One that says no version says nothing of a change. */
function isTurn({ version }: WorkerCheck, n: number, looks: readonly WorkerCheck[]): boolean {
  const before = looks.slice(0, n).findLast((look) => look.version !== undefined)?.version;
  return version !== undefined && before !== undefined && version !== before;
}

/** Up to 1, 2 or 5 times a power of ten: a scale that can be read. */
function rounded(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(ms));
  return power * ([1, 2, 5, 10].find((times) => ms <= times * power) ?? 10);
}

/** Of latencies; undefined when nobody ever answered. */
export function medianMs(checks: readonly WorkerCheck[]): number | undefined {
  const sorted = checks.flatMap(({ latencyMs }) => latencyMs ?? []).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
