import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { logTail } from './log-tail.ts';
import { becomes } from './polling.ts';

export interface PartSpec<Name extends string = string> {
  readonly name: Name;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where its output goes, or the terminal itself. */
  readonly output: { readonly file: string } | 'terminal';
  /** Whether it answers. */
  readonly isUp: () => Promise<boolean>;
  /** After SIGTERM it may take this long; then it gets SIGKILL. */
  readonly graceMs: number;
}

export interface PartEvents {
  /** A process was started or has ended: `pid` has changed. */
  readonly changed: () => void;
  /** It died without being asked to, and was started again. */
  readonly revived: (name: string, how: string) => void;
}

/** A part that dies is started again after this much. */
const REVIVE_AFTER_MS = 1_000;
const UP_WITHIN_MS = 30_000;
/** Dying this often while it is waited for, it will not come up: a bad setting is no accident. */
const DEATHS_MAX = 3;

type State =
  | { readonly kind: 'down' }
  | { readonly kind: 'running'; readonly child: ChildProcess; readonly ended: Promise<void> }
  | { readonly kind: 'reviving'; readonly timer: NodeJS.Timeout };

/** One process of the system: started, kept alive, stopped. Its process stays in our own process group. */
export class Part {
  readonly spec: PartSpec;
  readonly #events: PartEvents;
  #state: State = { kind: 'down' };
  /** Since it was last asked to start; and how the last one went. */
  #deaths = 0;
  #how = '';

  constructor(spec: PartSpec, events: PartEvents) {
    this.spec = spec;
    this.#events = events;
  }

  get pid(): number | undefined {
    return this.#state.kind === 'running' ? this.#state.child.pid : undefined;
  }

  /** Starts it, unless it runs, and waits until it answers. */
  async start(): Promise<void> {
    this.#deaths = 0;
    if (this.#state.kind !== 'running') this.#spawn();
    const settled = async () => this.#deaths >= DEATHS_MAX || (await this.spec.isUp());
    const inTime = await becomes(settled, UP_WITHIN_MS);
    if (inTime && this.#deaths < DEATHS_MAX) return;
    const { name, output } = this.spec;
    const what = inTime
      ? `ends again and again (${this.#how})`
      : `did not answer in ${UP_WITHIN_MS / 1_000} s`;
    const said = output === 'terminal' ? '' : `; the end of ${output.file}:\n${logTail(output.file)}`;
    throw new Error(`the ${name} ${what}${said}`);
  }

  /** Ends it and keeps it down. */
  async stop(): Promise<void> {
    const state = this.#state;
    this.#state = { kind: 'down' };
    if (state.kind === 'reviving') clearTimeout(state.timer);
    if (state.kind !== 'running') return;
    state.child.kill('SIGTERM');
    const hardKill = setTimeout(() => state.child.kill('SIGKILL'), this.spec.graceMs);
    await state.ended;
    clearTimeout(hardKill);
    this.#events.changed();
  }

  #spawn(): void {
    this.#cancelRevival();
    const child = launch(this.spec);
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    child.once('error', (error) => this.#lost(child, error.message, resolve));
    child.once('exit', (code, signal) => this.#lost(child, signal ?? `exit ${code}`, resolve));
    this.#state = { kind: 'running', child, ended };
    this.#events.changed();
  }

  #cancelRevival(): void {
    if (this.#state.kind === 'reviving') clearTimeout(this.#state.timer);
  }

  /** Told only once it is back: on Ctrl-C every part dies at the same moment as we are asked to stop. */
  #lost(child: ChildProcess, how: string, ended: () => void): void {
    ended();
    if (this.#state.kind !== 'running' || this.#state.child !== child) return;
    this.#deaths += 1;
    this.#how = how;
    const timer = setTimeout(() => {
      this.#spawn();
      this.#events.revived(this.spec.name, how);
    }, REVIVE_AFTER_MS);
    this.#state = { kind: 'reviving', timer };
    this.#events.changed();
  }
}

/** No pipes: a part must not block, or die, with whoever reads its output. */
function launch({ command, args, env, output }: PartSpec): ChildProcess {
  if (output === 'terminal') return spawn(command, args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
  mkdirSync(dirname(output.file), { recursive: true });
  const fd = openSync(output.file, 'a');
  try {
    return spawn(command, args, { env, stdio: ['ignore', fd, fd] });
  } finally {
    closeSync(fd);
  }
}
