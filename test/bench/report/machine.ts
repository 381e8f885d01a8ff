import { availableParallelism, cpus, loadavg } from 'node:os';

/** What a number depends on besides the code. */
export interface Machine {
  readonly at: string;
  readonly cpus: number;
  readonly cpu: string;
  readonly node: string;
  /** Mean number of processes that wanted a CPU in the minute before: above 0 somebody else was busy too. */
  readonly loadBefore: number;
}

export const machine = (): Machine => ({
  at: new Date().toISOString(),
  cpus: availableParallelism(),
  cpu: cpus()[0]?.model ?? 'unknown',
  node: process.version,
  loadBefore: loadavg()[0] ?? 0,
});
