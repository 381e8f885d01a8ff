import { becomes } from '../../sandbox/processes/polling.ts';
import { residentMib } from '../streams/memory.ts';
import { lastPosition } from './outage.ts';
import type { Sender } from './sender.ts';
import type { System } from './system.ts';

/** Resident sizes of both processes, in MiB, after so many events. */
interface Resident {
  readonly events: number;
  readonly sender: number;
  readonly edge: number;
}

export interface Memory {
  readonly perSecond: number;
  /** Of the backlog that was then in the object: into D1, with nothing else to do. */
  readonly drainedPerSecond: number;
  readonly samples: readonly Resident[];
  /** Most less least of the whole run. */
  readonly spreadMib: { readonly sender: number; readonly edge: number };
}

/** Parts of the run: a sample behind each. */
const PARTS = 20;
const DRAINED_WITHIN_MS = 300_000;

/**
 * Passes events in batches and looks at the processes in between; then lets all of them go on into D1. D1 is away
 * while memory is watched: its simulator lives in the edge's process, and by itself grows by some 125 bytes a row.
 */
export async function measureMemory(system: System, sender: Sender, events: number): Promise<Memory> {
  const part = Math.ceil(events / PARTS);
  const samples: Resident[] = [];
  let ms = 0;
  await system.database.behave('fail');
  for (let passed = 0; passed < events; passed += part) {
    ms += await sender.do('product', 'batched', part);
    samples.push({
      events: passed + part,
      sender: residentMib(sender.pid),
      edge: residentMib(system.edgePid()),
    });
  }
  const drainedMs = await drain(system, events);
  const spread = (of: 'sender' | 'edge') => {
    const sizes = samples.map((sample) => sample[of]);
    return Math.max(...sizes) - Math.min(...sizes);
  };
  return {
    perSecond: (events * 1_000) / ms,
    drainedPerSecond: (events * 1_000) / drainedMs,
    samples,
    spreadMib: { sender: spread('sender'), edge: spread('edge') },
  };
}

/** How long D1 takes for the backlog, from the first of it that is there: it is tried again within a minute. */
async function drain(system: System, events: number): Promise<number> {
  const before = await lastPosition(system);
  const has = (rows: number) => async () => (await lastPosition(system)) >= before + rows;
  await system.database.behave('ok');
  const began = await becomes(has(1), DRAINED_WITHIN_MS);
  const start = performance.now();
  if (!began || !(await becomes(has(events), DRAINED_WITHIN_MS))) throw new Error('D1 did not catch up');
  return performance.now() - start;
}
