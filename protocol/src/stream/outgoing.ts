import type { Parts } from '../chunk.ts';
import { Failure } from '../errors.ts';
import {
  BODY_CHUNK_BYTES_MAX,
  SOCKET_BODY_BYTES_MAX,
  SOCKET_WAITING_BYTES_MAX,
  STREAM_OPENING_BYTES,
} from '../limits.ts';

/** Where a body comes from. */
export interface BodySource {
  /** There is room again, after `write` said that there is none. */
  resume(): void;
  /** All of it has been given to the socket. */
  done(): void;
  /** Too much of it waits: it has been dropped, and nothing more of it is sent. */
  overflow(failure: Failure): void;
}

export interface OutgoingPorts {
  /** `sent` is called when the socket has passed the piece on; meanwhile what else there is of its body gathers. */
  readonly send: (chunk: Parts, sent: () => void) => void;
  /** The body is whole, and its last piece did not say so. */
  readonly end: (id: number) => void;
}

/** One that heeds this has at most the piece more that it had in hand; only a larger queue is an offence. */
const OFFENCE_BYTES = 2 * BODY_CHUNK_BYTES_MAX;

/**
 * The streamed bodies that one side sends on a socket. Each sends only what its receiver has granted, and those
 * that can send take turns, a piece each: one that is not read costs what it holds, and delays no other. What the
 * socket itself holds is bounded, so that a frame given in between does not wait long.
 */
export class OutgoingBodies {
  readonly #ports: OutgoingPorts;
  readonly #open = new Map<number, OutgoingBody>();
  /** Those that can send, the next one first. */
  readonly #turns = new Set<OutgoingBody>();
  #onSocket = 0;
  #waiting = 0;
  #pumping = false;

  constructor(ports: OutgoingPorts) {
    this.#ports = ports;
  }

  /** Bytes of all bodies that wait here. */
  get waiting(): number {
    return this.#waiting;
  }

  open(id: number, source: BodySource): OutgoingBody {
    const body = new OutgoingBody(id, source, (bytes) => this.#changed(body, bytes));
    this.#open.set(id, body);
    return body;
  }

  /** The receiver takes more. */
  grant(id: number, bytes: number): void {
    const body = this.#open.get(id);
    body?.grant(bytes);
    body?.resumeIfDrained();
  }

  /** Nobody wants the rest of it. */
  drop(id: number): void {
    const body = this.#open.get(id);
    if (body === undefined) return;
    this.#open.delete(id);
    this.#turns.delete(body);
    this.#waiting -= body.clear();
  }

  dropAll(): void {
    for (const id of [...this.#open.keys()]) this.drop(id);
  }

  #changed(body: OutgoingBody, added: number): void {
    if (!this.#open.has(body.id)) return;
    this.#waiting += added;
    if (body.canSend) this.#turns.add(body);
    this.#pump();
    if (this.#waiting > SOCKET_WAITING_BYTES_MAX) this.#endWorst();
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      // A body that is added again goes to the end, and is met again there.
      for (const body of this.#turns) {
        if (this.#onSocket >= SOCKET_BODY_BYTES_MAX) return;
        this.#turns.delete(body);
        this.#sendPiece(body);
      }
    } finally {
      this.#pumping = false;
    }
  }

  #sendPiece(body: OutgoingBody): void {
    const { id } = body;
    const { parts, bytes, last } = body.take();
    this.#waiting -= bytes;
    if (last) this.#open.delete(id);
    else if (body.canSend) this.#turns.add(body);
    if (bytes === 0) this.#ports.end(id);
    else this.#send(body, { id, last, parts }, bytes);
    if (last) body.source.done();
    else body.resumeIfDrained();
  }

  #send(body: OutgoingBody, chunk: Parts, bytes: number): void {
    this.#onSocket += bytes;
    this.#ports.send(chunk, () => {
      this.#onSocket -= bytes;
      body.passedOn();
      if (this.#open.has(body.id) && body.canSend) this.#turns.add(body);
      this.#pump();
    });
  }

  #endWorst(): void {
    let worst: OutgoingBody | undefined;
    for (const body of this.#open.values()) if (body.queued > (worst?.queued ?? OFFENCE_BYTES)) worst = body;
    if (worst === undefined) return;
    this.drop(worst.id);
    worst.source.overflow(
      new Failure('overloaded', 'too much of this body waits on the socket of this orchestrator', {
        execution: 'may_have_executed',
      }),
    );
  }
}

/** One body on its way out. */
export class OutgoingBody {
  readonly id: number;
  readonly source: BodySource;
  readonly #changed: (added: number) => void;
  readonly #pieces: Uint8Array[] = [];
  #queued = 0;
  #credit = STREAM_OPENING_BYTES;
  #ended = false;
  #gathers = true;
  /** Pieces that the socket has not passed on. */
  #onSocket = 0;
  #isFull = false;
  #dropped = false;

  constructor(id: number, source: BodySource, changed: (added: number) => void) {
    this.id = id;
    this.source = source;
    this.#changed = changed;
  }

  get queued(): number {
    return this.#queued;
  }

  /** An end needs no credit. Behind a piece that is still on the socket, only a full one goes, or the rest. */
  get canSend(): boolean {
    if (this.#queued === 0) return this.#ended;
    const isDue = !this.#gathers || this.#onSocket === 0 || this.#queued >= BODY_CHUNK_BYTES_MAX;
    return isDue && this.#credit > 0;
  }

  /** As much may wait as a message takes and may be sent: where nothing may, a source's own piece is enough. */
  get #queueMax(): number {
    return Math.min(BODY_CHUNK_BYTES_MAX, this.#credit);
  }

  /** @returns whether more may be written now; otherwise `resume` is called when it may */
  write(bytes: Uint8Array): boolean {
    if (this.#dropped) return false;
    if (bytes.length > 0) {
      this.#pieces.push(bytes);
      this.#queued += bytes.length;
      this.#changed(bytes.length);
    }
    this.#isFull = this.#queued >= this.#queueMax;
    return !this.#isFull;
  }

  /** Nothing more comes. */
  end(): void {
    this.#ended = true;
    this.flush();
  }

  /** Nothing is to be gathered any more: what credit allows goes out now. */
  flush(): void {
    this.#gathers = false;
    this.#changed(0);
  }

  grant(bytes: number): void {
    this.#credit += bytes;
    this.#changed(0);
  }

  /** The next piece to be sent, `bytes` long: as much as credit and a message allow, in the pieces in which it came. */
  take(): { parts: Uint8Array[]; bytes: number; last: boolean } {
    const room = Math.min(this.#credit, BODY_CHUNK_BYTES_MAX);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    while (bytes < room && this.#pieces.length > 0) {
      const [piece = new Uint8Array(0)] = this.#pieces;
      const part = piece.subarray(0, room - bytes);
      if (part.length === piece.length) this.#pieces.shift();
      else this.#pieces[0] = piece.subarray(part.length);
      parts.push(part);
      bytes += part.length;
    }
    this.#queued -= bytes;
    this.#credit -= bytes;
    if (bytes > 0) this.#onSocket++;
    return { parts, bytes, last: this.#ended && this.#queued === 0 };
  }

  passedOn(): void {
    this.#onSocket--;
  }

  resumeIfDrained(): void {
    if (!this.#isFull || this.#queued >= this.#queueMax) return;
    this.#isFull = false;
    this.source.resume();
  }

  /** @returns how many bytes were dropped */
  clear(): number {
    const dropped = this.#queued;
    this.#dropped = true;
    this.#pieces.length = 0;
    this.#queued = 0;
    return dropped;
  }
}
