import {
  CALL_DEADLINE_MS,
  decodeParcel,
  Failure,
  type HeaderList,
  type Parcel,
  RECEIPT_ANSWER_BYTES_MAX,
  type ReceiptAnswer,
  type RequestHead,
} from '@clawdbot/protocol';
import type { BlobRef } from '../calls/index.ts';
import { type Clock, withDeadline } from '../clock.ts';
import type { Turn } from './line.ts';
import type { Delivery } from './table.ts';
import { type Verdict, verdictOf, verdictOfError } from './verdict.ts';

/** A stored request on its way to its upstream. */
export interface DeliveryCall {
  readonly head: RequestHead;
  readonly body: Uint8Array | null;
  readonly signal: AbortSignal;
}
export interface DeliveryReply {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Uint8Array | null;
}
/** What a customer who waits may be told. */
export type Told = Omit<ReceiptAnswer, 'type' | 'id'>;

export interface AttemptPorts {
  readonly clock: Clock;
  /** What the customer sent. Throws `Failure('not_found')` when the edge says that there is nothing to deliver. */
  readonly pull: (ref: BlobRef & { readonly receiptId: string }, signal: AbortSignal) => Promise<Uint8Array>;
  /** By the site's route, as any relayed request; throws `Failure` when there was no answer. */
  readonly send: (call: DeliveryCall) => Promise<DeliveryReply>;
  /** How long the route gives its upstream. */
  readonly timeoutMs: (siteId: string, method: string, url: string) => number | undefined;
  /** @returns whether a customer was waiting, and has the answer: that settles the receipt */
  readonly tell: (told: Told, signal: AbortSignal) => Promise<boolean>;
}

export type Attempted =
  | { readonly is: 'tried'; readonly verdict: Verdict; readonly answer: Told['answer'] }
  /** The edge has settled it. */
  | { readonly is: 'gone' }
  /** It was not tried: the edge could not be asked. */
  | { readonly is: 'undone'; readonly reason: string };

/** Pulls a stored request and sends it to its upstream, once, in its turn. Rejects only with the signal's reason. */
export async function attempt(
  delivery: Delivery,
  ports: AttemptPorts,
  turn: Turn,
  signal: AbortSignal,
): Promise<Attempted> {
  const pulled = await pull(delivery, ports, signal);
  if ('is' in pulled) return pulled;
  await turn.before;
  const sent = send(delivery, pulled, ports, signal);
  turn.pass();
  const tried = await sent;
  signal.throwIfAborted();
  if (tried.verdict.is !== 'refused' || tried.answer === undefined || !delivery.awaited) return tried;
  const { receiptId, attempts } = delivery;
  const told = { receiptId, attempts: attempts + 1, answer: tried.answer };
  // The upstream's own "no" is an answer like any other, if there is somebody to hear it.
  const settled = await ports.tell(told, signal).catch(() => false);
  return settled ? { is: 'gone' } : tried;
}

async function pull(delivery: Delivery, { pull }: AttemptPorts, signal: AbortSignal) {
  try {
    return decodeParcel(await pull(delivery, signal));
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Failure)) throw error;
    if (error.code === 'not_found') return { is: 'gone' } as const;
    // It will hardly be there the next time, and must not stand in the way of others for days.
    if (error.code === 'blob_missing') return tried(verdictOfError(error));
    return { is: 'undone', reason: error.message } as const;
  }
}

async function send(
  delivery: Delivery,
  { head, body }: Parcel,
  { clock, timeoutMs, send }: AttemptPorts,
  signal: AbortSignal,
): Promise<Extract<Attempted, { is: 'tried' }>> {
  const ms = timeoutMs(delivery.siteId, head.method, head.url) ?? CALL_DEADLINE_MS;
  const late = () => new Failure('deadline_exceeded', `the upstream did not answer within ${ms} ms`);
  try {
    const reply = await withDeadline({ clock, ms, signal, late }, (scope) =>
      send({ head: requestOf(delivery, head, ms), body, signal: scope }),
    );
    const verdict = verdictOf(reply.status, reply.headers, clock.now());
    const hasAnswer = delivery.awaited && verdict.is !== 'failed';
    return { is: 'tried', verdict, answer: hasAnswer ? answerOf(reply) : undefined };
  } catch (error) {
    return tried(verdictOfError(error));
  }
}

const tried = (verdict: Verdict) => ({ is: 'tried', verdict, answer: undefined }) as const;

/** As the frame of a call would bring it. Its key is ours, the same in each attempt: the customer's own ends at the edge. */
function requestOf(
  { receiptId, siteId }: Delivery,
  { method, url, headers, requestId }: Parcel['head'],
  deadlineMs: number,
): RequestHead {
  const own = headers.filter(([name]) => name.toLowerCase() !== 'idempotency-key');
  return {
    ...{ type: 'request', id: 1, target: 'upstream', siteId, method, url, requestId, deadlineMs },
    headers: [...own, ['idempotency-key', receiptId]],
    body: { kind: 'none' },
  };
}

/** Undefined when it is too large for a frame: then the customer gets the receipt. */
function answerOf({ status, headers, body }: DeliveryReply): Told['answer'] {
  if (body === null) return { status, headers };
  if (body.length > RECEIPT_ANSWER_BYTES_MAX) return undefined;
  return { status, headers, body: Buffer.from(body).toString('base64') };
}
