import {
  CALL_DEADLINE_MS,
  DELIVERY_AGE_MS,
  digestOf,
  edgeCodec,
  encodeParcel,
  Failure,
  type HeaderList,
  type Outbox,
  orderedId,
  QUEUE_BODY_BYTES_MAX,
  type RandomBytes,
  type ReceiptAnswer,
  type Route,
  receiptTicket,
  type Sql,
  type Webhook,
} from '@clawdbot/protocol';
import { hexOf } from '../bytes.ts';
import type { MoveBook } from './move/book.ts';
import type { Parcels } from './parcels.ts';
import { HELD, isOpen } from './receipt-row.ts';
import type { Receipts } from './receipts.ts';
import type { RelayCall, RelayReply, SiteCall } from './relay-rpc.ts';
import type { Tallies } from './tallies.ts';
import type { Waiting } from './waiting.ts';

export interface IntakeParts {
  readonly sql: Sql;
  /** Of the queue log. */
  readonly outbox: Outbox;
  readonly receipts: Receipts;
  readonly parcels: Pick<Parcels, 'seal'>;
  readonly waiting: Waiting;
  readonly orchestratorId: string;
  readonly now: () => number;
  readonly random: RandomBytes;
  /** Is there somebody to deliver? */
  readonly isReachable: () => boolean;
  /** Before its entry leaves, to somebody who can be reached. */
  readonly pushParcel: (receiptId: string, parcel: Uint8Array) => void;
  /** Of sites that are being moved. */
  readonly moves: Pick<MoveBook, 'isHeld' | 'elsewhere'>;
  /** Told of a request before anything comes of it. */
  readonly tallies: Pick<Tallies, 'stored'>;
  /** By the object that has the call's site. */
  readonly passOn: (call: SiteCall) => Promise<RelayReply>;
  /** Something is in the log: send it. */
  readonly onStored: () => void;
}

/** What outsiders may keep in this object's memory of 128 MB at once: each body is there three times, as it came, as a parcel, sealed. */
const IN_HAND_BYTES_MAX = 2 * QUEUE_BODY_BYTES_MAX;
/** Nobody waits longer than a call's deadline: the receipt must be on its way before that. */
const MARGIN_MS = 2_000;
const RECEIPT_HEADER = 'x-receipt-id';

/**
 * `offline: 'queue'`: the request is stored before anything else happens to it: parcel, receipt and log entry in one
 * transaction, which the platform makes durable before anything leaves the object. What follows can be lost; it cannot.
 */
export class Intake {
  readonly #parts: IntakeParts;
  #inHandBytes = 0;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** @param body read whole, at most `QUEUE_BODY_BYTES_MAX` */
  take(call: RelayCall, siteId: string, route: Route, body: Uint8Array | null): Promise<RelayReply> {
    const storing = this.#held(body?.length ?? 0, () => this.#store(call, siteId, route, body));
    return storing.then((stored) =>
      // It has left while this was read and encrypted.
      stored.is === 'left' ? this.#parts.passOn({ ...call, siteId, body }) : this.#begin(stored, call, route),
    );
  }

  /**
   * By itself, and not behind an `await` of `take`, whose variables would be kept for as long as it waits: a customer may
   * wait two minutes, and 10 MB, twice, are not to be in memory meanwhile.
   */
  #begin(stored: Known | Fresh, call: RelayCall, route: Route): RelayReply | Promise<RelayReply> {
    const { id } = stored;
    const { receipts, waiting, onStored, pushParcel, tallies } = this.#parts;
    if (stored.is === 'known') return ticket(id, receipts, route);
    tallies.stored(id, call);
    const timeoutMs = route.timeoutMs ?? CALL_DEADLINE_MS;
    const ms = Math.max(1, Math.min(timeoutMs, call.deadlineMs - MARGIN_MS));
    // Who waits is known before the entry leaves.
    const answer = stored.awaited ? waiting.wait(id, call.requestId, ms) : undefined;
    if (stored.awaited) pushParcel(id, stored.parcel);
    onStored();
    return answer === undefined ? ticket(id, receipts, route) : this.#replyOf(id, answer, route);
  }

  async #replyOf(id: string, answer: Promise<RelayReply | undefined>, route: Route): Promise<RelayReply> {
    const reply = await answer;
    return reply === undefined ? ticket(id, this.#parts.receipts, route) : withReceipt(id, reply);
  }

  /**
   * What the VPS says to a customer who still waits. An answer that is handed on settles the receipt; one for whom
   * nobody waits any more does not: the rules for retries and dead letters decide then.
   * @returns whether it was handed on
   */
  answered({ receiptId, attempts, answer }: Omit<ReceiptAnswer, 'id'>): boolean {
    const { sql, receipts, waiting } = this.#parts;
    if (!waiting.has(receiptId)) return false;
    if (answer === undefined) {
      waiting.later(receiptId);
      return false;
    }
    const { status, headers, body } = answer;
    sql.transaction(() => {
      const known = receipts.find(receiptId);
      if (known !== undefined && isOpen(known.receipt.state))
        receipts.end(receiptId, 'delivered', { attempts, status });
    });
    waiting.answer(receiptId, { status, headers, body: body === undefined ? null : bytesOf(body) });
    return true;
  }

  /** Delivers once more what has ended and is kept. Throws `Failure`. */
  redeliver(id: string, actor: string): void {
    const { sql, receipts, onStored } = this.#parts;
    const { receipt, kept, parcel } = receipts.get(id);
    if (isOpen(receipt.state)) throw new Failure('conflict', `it is ${receipt.state}: it is being delivered`);
    if (!kept) throw new Failure('conflict', 'what the customer sent is not kept any more');
    // As long as its first delivery was given.
    const expiresAt = this.#parts.now() + receipt.expiresAt - receipt.receivedAt;
    sql.transaction(() => {
      const seq = this.#announce({ receiptId: id, ...receipt, parcel, expiresAt });
      receipts.again(id, { seq, expiresAt, reason: `asked for by ${actor}` });
    });
    onStored();
  }

  /** The VPS has lost what was sent to it, and the log's own entries of before `oldest` are gone. */
  offerAgain(oldest: number): void {
    const { receipts } = this.#parts;
    for (const { receipt, parcel } of receipts.openBefore(oldest)) {
      receipts.moveTo(receipt.id, this.#announce({ receiptId: receipt.id, ...receipt, parcel }));
    }
  }

  /**
   * The site's move is over: what was stored meanwhile gets its entry, oldest first, at most so much. In the caller's
   * transaction. Throws `Failure('log_full')`. @returns how many
   */
  letGo(siteId: string, limit: number): number {
    const { receipts } = this.#parts;
    const held = receipts.held(siteId, limit);
    for (const { receipt, parcel } of held)
      receipts.moveTo(receipt.id, this.#announce({ receiptId: receipt.id, ...receipt, parcel }));
    return held.length;
  }

  async #held<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (this.#inHandBytes + bytes > IN_HAND_BYTES_MAX) throw tooMuch();
    this.#inHandBytes += bytes;
    try {
      return await work();
    } finally {
      this.#inHandBytes -= bytes;
    }
  }

  async #store(call: RelayCall, siteId: string, route: Route, body: Uint8Array | null) {
    const { sql, receipts, parcels, orchestratorId, now, random, isReachable, moves } = this.#parts;
    const key = await keyOf(call, siteId, route, body);
    const before = receipts.byKey(key);
    if (before !== undefined) return { is: 'known', id: before } as const;
    const id = `rcpt_${orchestratorId}_${orderedId(now(), random)}`;
    const bytes = encodeParcel(call, body);
    const parcel = { sha256: await sha256(bytes), bytes: bytes.length };
    const sealed = await parcels.seal(id, bytes);
    const reached = route.respond !== 'accepted' && isReachable();
    return sql.transaction((): Known | Fresh | Left => {
      if (moves.elsewhere(siteId) !== undefined) return { is: 'left' };
      const isHeld = moves.isHeld(siteId);
      const awaited = reached && !isHeld;
      // A repeat may have come in while this one was encrypted.
      const other = receipts.byKey(key);
      if (other !== undefined) return { is: 'known', id: other };
      const receivedAt = now();
      const expiresAt = receivedAt + (route.maxAgeMs ?? DELIVERY_AGE_MS);
      const receipt = { siteId, route: route.path, parcel, receivedAt, expiresAt };
      const seq = isHeld
        ? HELD
        : this.#announce({ receiptId: id, ...receipt, ...(awaited ? { awaited } : {}) });
      receipts.insert({ id, ...receipt, seq, key }, sealed);
      return { is: 'fresh', id, awaited, parcel: bytes };
    });
  }

  /** In the caller's transaction. Throws `Failure('log_full')`. @returns the entry's position */
  #announce(webhook: Omit<Webhook, 'type'>): number {
    const { receiptId, siteId, route, parcel, receivedAt, expiresAt, awaited } = webhook;
    const known = { receiptId, siteId, route, parcel, receivedAt, expiresAt };
    const entry = { type: 'webhook', ...known, ...(awaited ? { awaited } : {}) } as const;
    return this.#parts.outbox.append(edgeCodec.encodeEntry(entry));
  }
}

/** The same request was stored before. */
interface Known {
  readonly is: 'known';
  readonly id: string;
}
interface Fresh {
  readonly is: 'fresh';
  readonly id: string;
  readonly awaited: boolean;
  readonly parcel: Uint8Array;
}
/** The site is another object's now: nothing was stored. */
interface Left {
  readonly is: 'left';
}

/** The customer's own key makes a repeat of the very same request the same receipt, and no other. */
async function keyOf(call: RelayCall, siteId: string, route: Route, body: Uint8Array | null) {
  const given = call.headers.find(([name]) => name === 'idempotency-key')?.[1];
  if (given === undefined) return undefined;
  const digest = await sha256(Uint8Array.from(body ?? []));
  return digestOf([siteId, route.path, given, call.method, call.url, digest]);
}

/** By the platform: 10 MB in script would hold this object up for a while. */
const sha256 = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> =>
  hexOf(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));

/** The route's own words, or the plain receipt. */
function ticket(id: string, receipts: Pick<Receipts, 'state'>, { accepted }: Route): RelayReply {
  const plain = JSON.stringify(receiptTicket.parse({ receiptId: id, state: receipts.state(id) }));
  const ownType = accepted?.body === undefined ? 'application/json' : 'text/plain; charset=utf-8';
  const headers: HeaderList = [
    ['content-type', accepted?.contentType ?? ownType],
    ['cache-control', 'no-store'],
    ...(accepted?.location === undefined ? [] : ([['location', accepted.location]] satisfies HeaderList)),
  ];
  const body = new TextEncoder().encode(accepted?.body ?? plain);
  return withReceipt(id, { status: accepted?.status ?? 202, headers, body });
}

const withReceipt = (id: string, reply: RelayReply): RelayReply => ({
  ...reply,
  isStored: true,
  headers: [...reply.headers.filter(([name]) => name.toLowerCase() !== RECEIPT_HEADER), [RECEIPT_HEADER, id]],
});

const tooMuch = () =>
  new Failure('overloaded', 'too many large requests are being stored at once: try again', {
    retryAfterMs: 1_000,
    execution: 'not_started',
  });
