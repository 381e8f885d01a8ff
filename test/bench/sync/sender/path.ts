import { setImmediate as nextTurn } from 'node:timers/promises';
import { AHEAD, GROUP, type Job } from './contract.ts';
import type { Progress } from './progress.ts';

/** One way for events from a database here into one there. */
export interface Path {
  /** Positions that the other side has committed. */
  readonly acked: Progress;
  /** Positions that D1 has; a path without D1 has none. */
  readonly projected?: Progress;
  connect(): Promise<void>;
  /** Commits events in one transaction, and has them sent. @returns the last one's position */
  write(events: number): number;
  close(): Promise<void>;
}

export async function perform(path: Path, { how, events }: Job): Promise<void> {
  switch (how) {
    case 'connect':
      return path.connect();
    case 'batched':
      return batched(path, events);
    case 'one by one':
      return windowed(path, events, 1);
    case 'windowed':
      return windowed(path, events, 8);
    case 'singly':
      return windowed(path, events, AHEAD);
    case 'projected':
      return path.projected?.reaches(path.acked.position);
    case 'record':
      for (let made = 0; made < events; made += GROUP) path.write(Math.min(GROUP, events - made));
      return;
    case 'end':
      return path.close();
  }
}

async function batched(path: Path, events: number): Promise<void> {
  let last = 0;
  for (let made = 0; made < events; made += GROUP) {
    last = path.write(Math.min(GROUP, events - made));
    await nextTurn();
    await path.acked.reaches(last - AHEAD);
  }
  await path.acked.reaches(last);
}

async function windowed(path: Path, events: number, window: number): Promise<void> {
  let last = 0;
  for (let made = 0; made < events; made++) {
    last = path.write(1);
    await nextTurn(); // The log sends once a turn: each event has a message of its own, unless enough are under way.
    await path.acked.reaches(last - window + 1);
  }
  await path.acked.reaches(last);
}
