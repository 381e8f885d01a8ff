import {
  type Failure,
  type FrameSender,
  type FrameToEdge,
  OutgoingBodies,
  STREAM_IDLE_MS,
} from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';
import type { BodyStream } from './body.ts';
import { Gathered } from './gathered.ts';
import type { Patience } from './patience.ts';
import { release } from './release.ts';

export interface AnswerBodiesOptions {
  readonly sender: FrameSender<FrameToEdge>;
  readonly clock: Clock;
  /** All of an answer has been given to the socket. */
  readonly onSent: (id: number) => void;
  /** An answer breaks off behind its head. */
  readonly onBroken: (id: number, failure: Failure) => void;
}

/** The bodies of answers on one socket, sent behind their heads as the edge grants. */
export class AnswerBodies {
  readonly #options: AnswerBodiesOptions;
  readonly #open: OutgoingBodies;
  readonly #left: Gathered;

  constructor(options: AnswerBodiesOptions) {
    this.#options = options;
    const { sender, clock } = options;
    this.#left = new Gathered(clock);
    this.#open = new OutgoingBodies({
      send: (chunk, sent) => {
        sender.pushChunk(chunk, () => {
          for (const part of chunk.parts) release(part);
          this.#left.add(sent);
        });
      },
      end: (id) => sender.push({ type: 'end', id }),
    });
  }

  /** @param patience of its call: from here on it may be idle as long as any stream */
  send(id: number, body: Uint8Array | BodyStream, patience: Patience): void {
    patience.extend(STREAM_IDLE_MS);
    const broken = (failure: Failure) => this.#options.onBroken(id, failure);
    const out = this.#open.open(id, {
      resume: () => {
        patience.moved();
        if (!(body instanceof Uint8Array)) body.resume();
      },
      done: () => this.#options.onSent(id),
      overflow: broken,
    });
    if (body instanceof Uint8Array) {
      out.write(body);
      out.end();
      return;
    }
    const write = (bytes: Uint8Array): boolean => {
      patience.moved();
      return out.write(bytes);
    };
    const fail = (failure: Failure) => {
      out.flush(); // Its reader gets what came before it broke off.
      broken(failure);
    };
    body.start({ write, end: () => out.end(), fail });
  }

  /** The edge takes more of it. */
  grant(id: number, bytes: number): void {
    this.#open.grant(id, bytes);
  }

  /** Nobody wants the rest of it. */
  drop(id: number): void {
    this.#open.drop(id);
  }

  /** The socket is gone. */
  stop(): void {
    this.#left.stop();
  }
}
