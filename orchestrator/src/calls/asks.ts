import { Failure, type FrameSender, type FrameToEdge, type WireError } from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';

export interface AsksOptions {
  readonly sender: FrameSender<FrameToEdge>;
  readonly clock: Clock;
  /** Of the calls that this side opens. */
  readonly nextId: () => number;
}

/** How long an answer is waited for, and what it is called when it does not come. */
export interface Asking {
  readonly ms: number;
  readonly name: string;
}

type Question = Extract<FrameToEdge, { type: 'get_secret' | 'get_tally' }>;
type Settle<T> = (result: T | Failure) => void;

/** What is asked of the edge on one socket and answered in one frame: calls that this side opens. Nothing is kept of an answer. */
export class Asks<T extends object> {
  readonly #options: AsksOptions;
  readonly #open = new Map<number, Settle<T>>();
  #closed: Failure | undefined;

  constructor(options: AsksOptions) {
    this.#options = options;
  }

  /** Rejects with a `Failure`: the edge's own, `deadline_exceeded`, or `orchestrator_lost` when the socket ended. */
  ask(question: (id: number) => Question, { ms, name }: Asking, signal: AbortSignal): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (signal.aborted) return Promise.reject(givenUp(name));
    const { clock, nextId, sender } = this.#options;
    const id = nextId();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const abort = () => settle(givenUp(name));
    const cancelDeadline = clock.after(ms, () => settle(late(name)));
    const settle: Settle<T> = (result) => {
      if (!this.#open.delete(id)) return;
      cancelDeadline();
      signal.removeEventListener('abort', abort);
      if (result instanceof Failure) reject(result);
      else resolve(result);
    };
    this.#open.set(id, settle);
    signal.addEventListener('abort', abort, { once: true });
    sender.push(question(id));
    return promise;
  }

  answered(id: number, answer: T): void {
    this.#open.get(id)?.(answer);
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

const givenUp = (name: string) => new Failure('orchestrator_lost', `${name} was given up`);
const late = (name: string) => new Failure('deadline_exceeded', `the edge did not send ${name} in time`);
