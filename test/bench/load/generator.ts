import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Job, type Measurement, measurement } from './job.ts';

/** Beyond the job's own time: the last replies, and a machine that others use too. */
const GRACE_MS = 15_000;

/** The load generator, in a process of its own so that it shares no event loop with what it measures. */
export class Generator {
  readonly #child: ChildProcess = fork(join(import.meta.dirname, 'main.ts'));
  readonly #ended: Promise<never>;

  constructor() {
    this.#ended = once(this.#child, 'exit').then(() => {
      throw new Error('the load generator has ended');
    });
    this.#ended.catch(() => undefined); // Told to whoever measures; after the last job it is no error.
  }

  async measure(job: Job): Promise<Measurement> {
    const signal = AbortSignal.timeout(job.warmupMs + job.measureMs + GRACE_MS);
    const replied = once(this.#child, 'message', { signal });
    this.#child.send(job);
    const [result]: unknown[] = await Promise.race([replied, this.#ended]);
    return measurement.parse(result);
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }
}
