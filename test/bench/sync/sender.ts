import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ORCHESTRATOR_NODE_FLAGS } from '../../sandbox/parts.ts';
import type { Cleanup } from '../cleanup.ts';
import type { Job, Reply, SenderEnv } from './sender/contract.ts';

const ENTRY = join(import.meta.dirname, 'sender/main.ts');

/** The sender's process. */
export class Sender {
  readonly #child: ChildProcess;
  readonly #gone: Promise<[number | null, NodeJS.Signals | null]>;

  constructor(env: SenderEnv, cleanup: Cleanup) {
    this.#child = fork(ENTRY, { env: { ...process.env, ...env }, execArgv: execArgv() });
    this.#gone = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve([code, signal]));
    });
    cleanup.add(() => this.#child.kill());
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('the sender did not start');
    return pid;
  }

  /** @returns the milliseconds that it took; of `end`, once the process is gone */
  async do(path: Job['path'], how: Job['how'], events = 0): Promise<number> {
    const job: Job = { path, how, events };
    const answer = Promise.race([once(this.#child, 'message'), this.#ended()]);
    this.#child.send(job);
    const [reply] = (await answer) as [Reply]; // From sender/main.ts, which sends nothing else.
    if ('error' in reply) throw new Error(`the sender failed: ${reply.error}`);
    return reply.ms;
  }

  async end(): Promise<void> {
    await this.do('product', 'end');
    this.#child.disconnect();
    await this.#gone;
  }

  async #ended(): Promise<never> {
    const [code, signal] = await this.#gone;
    throw new Error(`the sender has ended (${signal ?? code})`);
  }
}

/** A profile of the sender, when somebody asks for one: BENCH_CPU_PROF=<folder>. */
function execArgv(): string[] {
  const folder = process.env['BENCH_CPU_PROF'];
  const profile = folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
  return [...ORCHESTRATOR_NODE_FLAGS, ...profile];
}
