import { PROBE_AFTER_MS, PROBE_TIMEOUT_MS } from '@clawdbot/protocol';

/** A timer as an argument: runs `task` after `ms` and returns what cancels it. */
export type After = (ms: number, task: () => void) => () => void;

export interface LivenessOptions {
  readonly now: () => number;
  readonly after: After;
  /** Are calls open? Only then does silence mean anything. */
  readonly busy: () => boolean;
  readonly probe: (n: number) => void;
  readonly dead: () => void;
  /** While it is busy: at most `PROBE_AFTER_MS` have passed since it was called last. */
  readonly passed: () => void;
}

/**
 * Finds a socket that is open and silent. Auto-response proves only the edge to the orchestrator; this proves
 * the orchestrator to the edge, and only while a call is open, so that an idle object sleeps (PROTOCOL S9).
 * One timer per socket, however many calls there are.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  #heardAt = 0;
  #probed = false;
  #probes = 0;
  #cancel: (() => void) | undefined;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** A frame came in. */
  heard(): void {
    this.#heardAt = this.#options.now();
    this.#probed = false;
  }

  /** A call was opened: silence counts from now at the earliest. */
  expect(): void {
    if (this.#cancel !== undefined) return;
    this.#heardAt = this.#options.now();
    this.#arm(PROBE_AFTER_MS);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #arm(ms: number): void {
    this.#cancel = this.#options.after(ms, () => {
      this.#cancel = undefined;
      this.#check();
    });
  }

  #check(): void {
    const { now, busy, probe, dead, passed } = this.#options;
    if (!busy()) return;
    passed();
    const silentMs = now() - this.#heardAt;
    if (silentMs < PROBE_AFTER_MS) {
      this.#arm(PROBE_AFTER_MS - silentMs);
    } else if (!this.#probed) {
      this.#probed = true;
      probe(++this.#probes);
      this.#arm(PROBE_TIMEOUT_MS);
    } else {
      dead();
    }
  }
}
