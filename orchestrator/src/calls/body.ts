import type { Failure } from '@clawdbot/protocol';

/** Who takes an answer's body, piece by piece. */
export interface BodySink {
  /** @returns false: no more before `resume` */
  write(bytes: Uint8Array): boolean;
  end(): void;
  /** It breaks off here. */
  fail(failure: Failure): void;
}

/** An answer's body that still comes. It stops when the call's signal is aborted. */
export interface BodyStream {
  /** In bytes, when it has been announced. */
  readonly length: number | undefined;
  /** Hands on what there is, and what comes, from now on; until then nothing more is read. */
  start(sink: BodySink): void;
  /** The sink takes more again. */
  resume(): void;
}

/** A body: bytes when it is small, and whole already. What is given is given away: its memory is taken back when it was sent. */
export type ReplyBody = Uint8Array | BodyStream | null;
export type CallBody = Uint8Array | AsyncIterable<Uint8Array> | null;

export interface Reply {
  readonly status: number;
  readonly headers: [name: string, value: string][];
  readonly body: ReplyBody;
}
