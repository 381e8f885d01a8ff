import type { D1State } from '../sandbox/edge/gate.ts';
import { Random } from '../simulation/random.ts';
import type { Direction } from './cable.ts';

export const SITES = ['fault-a', 'fault-b', 'fault-c'] as const;
/** Of the existing API's table `customers`. */
const ROWS = ['row-a', 'row-b', 'row-c'];
export type Victim = 'orchestrator' | 'edge' | 'cloudflare';

/** What an operator, a customer or the existing API does. */
export type Operation =
  | { readonly kind: 'deploy'; readonly name: string; readonly cancel: boolean }
  | { readonly kind: 'edit'; readonly site: string }
  | { readonly kind: 'row'; readonly key: string }
  | { readonly kind: 'status' }
  | { readonly kind: 'request' };

export type Fault =
  | { readonly kind: 'kill'; readonly victims: readonly Victim[] }
  | { readonly kind: 'cut' }
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'black hole'; readonly ms: number; readonly end: 'cut' | 'release' }
  | { readonly kind: 'd1'; readonly state: Exclude<D1State, 'ok'> };

/** A fault, and when: after that many more pieces on the cable, and a little later still. */
export interface Strike {
  readonly direction: Direction;
  readonly pieces: number;
  readonly delayMs: number;
  readonly fault: Fault;
}

export interface Plan {
  readonly round: number;
  readonly operations: readonly Operation[];
  /** One after the other. */
  readonly strikes: readonly Strike[];
}

/** Rounds that deploy to the same Workers: after that fresh ones, so that what is looked through stays small. */
const ROUNDS_PER_POOL = 10;
const POOL = 4;

/** What happens in a round: the same for the same seed and number. */
export function drawPlan(seed: number, round: number): Plan {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ round);
  const operations = Array.from({ length: random.int(8, 16) }, () => drawOperation(random, round));
  const before = random.chance(0.5) ? [drawStrike(random, drawTrouble(random))] : [];
  const kills = Array.from({ length: random.chance(0.3) ? 2 : 1 }, () =>
    drawStrike(random, drawKill(random)),
  );
  return { round, operations, strikes: [...before, ...kills] };
}

/** As many deployments as are under way for a while: four run at a time on the VPS. */
const AT_ONCE = 12;

/** Work that is still being done when a restart comes. */
export const drawDeployments = (round: number): Operation[] =>
  Array.from({ length: AT_ONCE }, (_, at) => ({ kind: 'deploy', name: `r${round}-${at}`, cancel: false }));

function drawOperation(random: Random, round: number): Operation {
  const what = random.next();
  if (what < 0.4) {
    const cancel = random.chance(0.2);
    const pool = Math.floor(round / ROUNDS_PER_POOL);
    // What is cancelled may or may not have been deployed: it has Workers of its own.
    return { kind: 'deploy', name: `w${pool}-${cancel ? 'c' : random.int(0, POOL - 1)}`, cancel };
  }
  if (what < 0.7) return { kind: 'edit', site: random.pick(SITES) };
  if (what < 0.8) return { kind: 'row', key: random.pick(ROWS) };
  return { kind: what < 0.9 ? 'status' : 'request' };
}

function drawStrike(random: Random, fault: Fault): Strike {
  return {
    direction: random.pick(['up', 'down']),
    pieces: random.int(1, 25),
    delayMs: random.chance(0.5) ? 0 : random.int(1, 40),
    fault,
  };
}

function drawKill(random: Random): Fault {
  const what = random.next();
  if (what < 0.45) return { kind: 'kill', victims: ['orchestrator'] };
  if (what < 0.75) return { kind: 'kill', victims: ['edge'] };
  if (what < 0.9) return { kind: 'kill', victims: ['edge', 'orchestrator'] };
  return { kind: 'kill', victims: ['cloudflare'] };
}

function drawTrouble(random: Random): Fault {
  const what = random.next();
  if (what < 0.25) return { kind: 'cut' };
  if (what < 0.5) return { kind: 'slow', ms: random.int(1, 60) };
  if (what < 0.7) {
    return { kind: 'black hole', ms: random.int(50, 1_500), end: random.pick(['cut', 'release']) };
  }
  return { kind: 'd1', state: random.pick(['fail', 'slow']) };
}
