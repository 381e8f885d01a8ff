import { once } from 'node:events';

type Close = () => unknown;

/** What a benchmark has started: ended in reverse order when it is over, has failed or is interrupted. */
export class Cleanup {
  #closes: Close[] = [];
  #running: Promise<void> | undefined;

  /** Before what it closes is started. Throws once cleaning up has begun: then nothing more may start. */
  add(close: Close): void {
    if (this.#running !== undefined) throw new Error('interrupted');
    this.#closes.push(close);
  }

  /** Ends everything; a second call waits for the first. A close that fails does not keep the others. */
  run(): Promise<void> {
    this.#running ??= this.#closeAll();
    return this.#running;
  }

  async #closeAll(): Promise<void> {
    for (const close of this.#closes.toReversed()) {
      try {
        await close();
      } catch (error) {
        console.error('while cleaning up:', error);
      }
    }
  }
}

const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Runs a benchmark with its own cleanup. @returns the process's exit code; 130 when interrupted */
export async function withCleanup(work: (cleanup: Cleanup) => Promise<number>): Promise<number> {
  const cleanup = new Cleanup();
  const interrupted = Promise.race(INTERRUPTS.map((signal) => once(process, signal))).then(() => 130);
  try {
    return await Promise.race([work(cleanup), interrupted]);
  } finally {
    await cleanup.run();
  }
}
