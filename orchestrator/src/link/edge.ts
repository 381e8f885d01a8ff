import { Failure, type ReceiptAnswer } from '@clawdbot/protocol';
import type { BlobRef, OutgoingCalls, Secret, SecretRef, Tally, TallyRef } from '../calls/index.ts';
import { type Clock, withDeadline } from '../clock.ts';
import { PushedParcels } from './pushed.ts';
import type { LinkState, Observable } from './state.ts';

/** How long a command waits for a blob, redials of the channel included. */
const BLOB_DEADLINE_MS = 10 * 60_000;
/** How long whoever needs a secret waits for it, redials of the channel included. */
const SECRET_DEADLINE_MS = 60_000;

export interface EdgeOptions {
  readonly clock: Clock;
  readonly state: Observable<LinkState>;
  /** Over the newest session that was welcomed. */
  readonly calls: () => OutgoingCalls | undefined;
}

/** The edge, as this process asks it over one lane, whatever session is open there. */
export class Edge {
  readonly #options: EdgeOptions;
  readonly #pushed: PushedParcels;

  constructor(options: EdgeOptions) {
    this.#options = options;
    this.#pushed = new PushedParcels(options.clock.now);
  }

  /** The bytes of a blob, over this session or a later one. Throws `Failure`. */
  blob(ref: BlobRef, signal: AbortSignal): Promise<Uint8Array> {
    const what = { ms: BLOB_DEADLINE_MS, name: 'a blob' };
    return this.#asked(what, signal, (calls, scope) => calls.blob(ref, scope));
  }

  /** A secret of a site that is here, as it is now. It is for use and not to be kept. Throws `Failure`. */
  secret(siteId: string, name: string, signal: AbortSignal): Promise<Secret> {
    const ref: SecretRef = { siteId, name };
    const what = { ms: SECRET_DEADLINE_MS, name: `the secret "${name}"` };
    return this.#asked(what, signal, (calls, scope) => calls.secret(ref, scope));
  }

  /** What this lane has counted of a site's requests; undefined when the edge does not say so at once. */
  async tally(ref: TallyRef, signal: AbortSignal): Promise<Tally | undefined> {
    if (this.#options.state.value.kind !== 'open') return undefined;
    return this.#options
      .calls()
      ?.tally(ref, signal)
      .catch(() => undefined);
  }

  /** The edge has sent a parcel without being asked. */
  pushed(receiptId: string, parcel: Uint8Array): void {
    this.#pushed.put(receiptId, parcel);
  }

  /** What the customer of a stored request has sent, asked for unless it has just come by itself. Throws `Failure`. */
  async parcel(ref: BlobRef & { readonly receiptId: string }, signal: AbortSignal): Promise<Uint8Array> {
    return this.#pushed.take(ref.receiptId) ?? this.blob(ref, signal);
  }

  /**
   * Tells a customer of a stored request, if one waits. @returns whether one did; rejects with a `Failure` when that is
   * not known. Without a session nobody waits: the edge has answered them.
   */
  async answerReceipt(answer: Omit<ReceiptAnswer, 'type' | 'id'>, signal: AbortSignal): Promise<boolean> {
    return (await this.#options.calls()?.answerReceipt(answer, signal)) ?? false;
  }

  /** Asks the edge for what may be asked again at no cost: on the next session, when the socket ended under it. */
  #asked<T>(
    { ms, name }: { readonly ms: number; readonly name: string },
    signal: AbortSignal,
    ask: (calls: OutgoingCalls, scope: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const late = () => new Failure('deadline_exceeded', `the edge did not send ${name} in time`);
    const { clock } = this.#options;
    return withDeadline({ clock, ms, signal, late }, async (scope) => {
      for (;;) {
        const calls = await this.#opened(scope);
        const got = await ask(calls, scope).catch((error: unknown) => {
          scope.throwIfAborted();
          if (error instanceof Failure && error.code === 'orchestrator_lost') return undefined;
          throw error;
        });
        if (got !== undefined) return got;
      }
    });
  }

  /** The calls of the open session, or of the next one. Rejects with the signal's reason. */
  #opened(signal: AbortSignal): Promise<OutgoingCalls> {
    const { state, calls } = this.#options;
    return new Promise((resolve, reject) => {
      const settle = () => {
        const opened = state.value.kind === 'open' ? calls() : undefined;
        if (opened === undefined && !signal.aborted) return;
        unsubscribe();
        signal.removeEventListener('abort', settle);
        if (opened === undefined) reject(signal.reason);
        else resolve(opened);
      };
      const unsubscribe = state.subscribe(settle);
      signal.addEventListener('abort', settle);
      settle();
    });
  }
}
