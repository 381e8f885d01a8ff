import { readFileSync } from 'node:fs';
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
  readonly samples: readonly Resident[];
  /** Least and most of the second half, when caches are full and the heap has found its size. */
  readonly spreadMib: { readonly sender: number; readonly edge: number };
}

/** Parts of the run: a sample behind each. */
const PARTS = 20;

/** Passes events in batches, all the way into D1, and looks at the processes in between. */
export async function measureMemory(system: System, sender: Sender, events: number): Promise<Memory> {
  const part = Math.ceil(events / PARTS);
  const samples: Resident[] = [];
  let ms = 0;
  for (let passed = 0; passed < events; passed += part) {
    ms += await sender.do('product', 'batched', part);
    ms += await sender.do('product', 'projected');
    samples.push({
      events: passed + part,
      sender: residentMib(sender.pid),
      edge: residentMib(system.edgePid()),
    });
  }
  const spread = (of: 'sender' | 'edge') => {
    const settled = samples.slice(samples.length / 2).map((sample) => sample[of]);
    return Math.max(...settled) - Math.min(...settled);
  };
  return {
    perSecond: (events * 1_000) / ms,
    samples,
    spreadMib: { sender: spread('sender'), edge: spread('edge') },
  };
}

/** VmRSS of proc_pid_status(5), which is in KiB. */
function residentMib(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Number(kib) / 1024;
}
