import { PING } from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** As `welcome` says. */
  readonly heartbeatMs: number;
  readonly send: (text: string) => void;
  /** Nothing came for one and a half heartbeats. Called once. */
  readonly onSilent: () => void;
}

const tenths = (ms: number): number => Math.round(ms * 10) / 10;

/**
 * Finds a socket that is open and silent. The edge's runtime answers `ping` without waking the object, so an
 * answer proves the way there and back, not the code behind it.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #silenceMs: number;
  #heardAt: number;
  #pingedAt: number | undefined;
  #rttMs: number | undefined;
  #cancelPing: () => void = () => {};
  #cancelSilence: () => void = () => {};

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#silenceMs = options.heartbeatMs * 1.5;
    this.#heardAt = options.clock.now();
    this.#ping();
    this.#watch(this.#silenceMs);
  }

  /** Of the last ping that was answered, to a tenth of a millisecond: on loopback it is below one. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  /** Anything came from the edge. */
  heard(): void {
    this.#heardAt = this.#options.clock.now();
  }

  pong(): void {
    this.heard();
    const { clock } = this.#options;
    if (this.#pingedAt !== undefined) this.#rttMs = tenths(clock.monotonic() - this.#pingedAt);
    this.#pingedAt = undefined;
  }

  stop(): void {
    this.#cancelPing();
    this.#cancelSilence();
  }

  #ping(): void {
    const { clock, heartbeatMs, send } = this.#options;
    this.#pingedAt = clock.monotonic();
    send(PING);
    this.#cancelPing = clock.after(heartbeatMs, () => this.#ping());
  }

  /** One timer for all that is heard: it looks again when the silence since then would be over. */
  #watch(ms: number): void {
    const { clock, onSilent } = this.#options;
    this.#cancelSilence = clock.after(ms, () => {
      const left = this.#heardAt + this.#silenceMs - clock.now();
      if (left > 0) return this.#watch(left);
      this.stop();
      onSilent();
    });
  }
}
