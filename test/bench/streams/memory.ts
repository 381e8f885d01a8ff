import { readFileSync } from 'node:fs';

const LOOK_MS = 50;

interface Sizes {
  readonly edge: number;
  readonly orchestrator: number;
}

/** Watches how far two processes grow: their largest resident sizes since `restart`, in MiB. */
export class Watch {
  readonly #pids: Sizes;
  readonly #timer: NodeJS.Timeout;
  #start: Sizes;
  #most: Sizes;

  constructor(pids: Sizes) {
    this.#pids = pids;
    this.#start = this.#sizes();
    this.#most = this.#start;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  restart(): void {
    this.#start = this.#sizes();
    this.#most = this.#start;
  }

  get grown(): Sizes {
    this.#look();
    return {
      edge: this.#most.edge - this.#start.edge,
      orchestrator: this.#most.orchestrator - this.#start.orchestrator,
    };
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = this.#sizes();
    this.#most = {
      edge: Math.max(this.#most.edge, now.edge),
      orchestrator: Math.max(this.#most.orchestrator, now.orchestrator),
    };
  }

  #sizes(): Sizes {
    return { edge: residentMib(this.#pids.edge), orchestrator: residentMib(this.#pids.orchestrator) };
  }
}

/** VmRSS of proc_pid_status(5), which is in KiB. */
export function residentMib(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Number(kib) / 1024;
}
