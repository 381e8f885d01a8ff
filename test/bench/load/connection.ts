import { connect, type Socket } from 'node:net';
import { bodyOf } from '../relay/origin/body.ts';
import type { Job } from './job.ts';
import { LargeReplyReader, type Reply, ReplyReader } from './reply.ts';

export interface ConnectionEvents {
  /** The number of the next request: of no other on any connection. */
  next(): number;
  /** A correct reply, and when its request was sent (ms, `performance.now`). */
  replied(sentAt: number): void;
  failed(reason: string): void;
}

/** One keep-alive connection that sends the next request as soon as it has the reply to the last. */
export class Connection {
  readonly #target: Job;
  readonly #events: ConnectionEvents;
  readonly #reader = new ReplyReader();
  readonly #largeReader = new LargeReplyReader();
  readonly #body: Buffer;
  readonly #socket: Socket;
  #n = 0;
  #sentAt = 0;
  #stopping = false;
  /** Resolves when it is over; never rejects. */
  readonly ended: Promise<void>;

  constructor(target: Job, events: ConnectionEvents) {
    this.#target = target;
    this.#events = events;
    this.#body = Buffer.alloc(target.sendBytes, 'x');
    this.#socket = connect({ port: target.port, host: '127.0.0.1', noDelay: true });
    this.#socket.once('connect', () => this.#send());
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.once('error', (error) => this.#fail(error.message));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#socket.once('close', () => {
      this.#fail('the connection was closed');
      resolve();
    });
  }

  /** Ends after the reply that is under way. */
  stop(): void {
    this.#stopping = true;
  }

  /** Ends now; a reply that is still missing is an error. */
  destroy(): void {
    this.#fail('no reply in time');
    this.#socket.destroy();
  }

  #send(): void {
    const { path, host, sendBytes } = this.#target;
    this.#n = this.#events.next();
    this.#sentAt = performance.now();
    const head = `${path}?n=${this.#n} HTTP/1.1\r\nHost: ${host}\r\nAccept: */*\r\n`;
    if (sendBytes === 0) {
      this.#socket.write(`GET ${head}\r\n`);
      return;
    }
    this.#socket.cork();
    this.#socket.write(`POST ${head}Content-Length: ${sendBytes}\r\n\r\n`);
    this.#socket.write(this.#body);
    this.#socket.uncork();
  }

  #receive(chunk: Buffer): void {
    try {
      if (this.#target.largeReplyBytes !== undefined) {
        const status = this.#largeReader.push(chunk);
        if (status !== undefined) this.#take({ status, body: bodyOf(String(this.#n)) });
        return;
      }
      const reply = this.#reader.push(chunk);
      if (reply !== undefined) this.#take(reply);
    } catch (error) {
      this.#fail(String(error));
      this.#socket.destroy();
    }
  }

  #take({ status, body }: Reply): void {
    if (status === 200 && body === bodyOf(String(this.#n))) this.#events.replied(this.#sentAt);
    else this.#events.failed(`request ${this.#n} was answered ${status}: ${body.slice(0, 200)}`);
    this.#n = 0;
    if (this.#stopping) this.#socket.destroy();
    else this.#send();
  }

  /** Whatever ends a connection while a request is open is that request's failure, once. */
  #fail(reason: string): void {
    const open = this.#n !== 0 || (!this.#stopping && this.#sentAt === 0);
    if (open) this.#events.failed(reason);
    this.#n = 0;
    this.#stopping = true;
  }
}
