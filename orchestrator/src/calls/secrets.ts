import {
  CALL_DEADLINE_MS,
  Failure,
  type FrameSender,
  type FrameToEdge,
  type FrameToOrchestrator,
  type WireError,
} from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';

/** Names a secret of a site that is on this orchestrator. */
export interface SecretRef {
  readonly siteId: string;
  readonly name: string;
}

/** A secret as the edge gave it. It is used and forgotten: never on the disk, never in the log. */
export interface Secret {
  readonly value: string;
  readonly version: number;
}

export interface SecretFetchesOptions {
  readonly sender: FrameSender<FrameToEdge>;
  readonly clock: Clock;
  /** Of the calls that this side opens. */
  readonly nextId: () => number;
}

type SecretFrame = Extract<FrameToOrchestrator, { type: 'secret' }>;
type Settle = (result: Secret | Failure) => void;

/** The secrets asked of the edge on one socket: calls that this side opens. Nothing is kept of an answer. */
export class SecretFetches {
  readonly #options: SecretFetchesOptions;
  readonly #open = new Map<number, Settle>();
  #closed: Failure | undefined;

  constructor(options: SecretFetchesOptions) {
    this.#options = options;
  }

  /** Rejects with a `Failure`: the edge's own, `deadline_exceeded`, or `orchestrator_lost` when the socket ended. */
  fetch({ siteId, name }: SecretRef, signal: AbortSignal): Promise<Secret> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal.aborted) return Promise.reject(givenUp());
    const { clock, nextId, sender } = this.#options;
    const id = nextId();
    const { promise, resolve, reject } = Promise.withResolvers<Secret>();
    const abort = () => settle(givenUp());
    const cancelDeadline = clock.after(CALL_DEADLINE_MS, () => settle(late(name)));
    const settle: Settle = (result) => {
      if (!this.#open.delete(id)) return;
      cancelDeadline();
      signal.removeEventListener('abort', abort);
      if (result instanceof Failure) reject(result);
      else resolve(result);
    };
    this.#open.set(id, settle);
    signal.addEventListener('abort', abort, { once: true });
    sender.push({ type: 'get_secret', id, siteId, name });
    return promise;
  }

  answered({ id, value, version }: SecretFrame): void {
    this.#open.get(id)?.({ value, version });
  }

  failed(id: number, error: WireError): void {
    this.#open.get(id)?.(Failure.fromWire(error));
  }

  /** The socket is gone: what is open may be asked again on the next one. */
  closeAll(reason: string): void {
    this.#closed = new Failure('orchestrator_lost', reason);
    for (const settle of [...this.#open.values()]) settle(this.#closed);
  }
}

const givenUp = () => new Failure('orchestrator_lost', 'the secret was given up');
const late = (name: string) =>
  new Failure('deadline_exceeded', `the edge did not send the secret "${name}" in time`);
