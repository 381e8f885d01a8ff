import {
  type BodyHead,
  type BodySource,
  Failure,
  headOfBody,
  type OutgoingBody,
  RELAY_BODY_BYTES_MAX,
} from '@clawdbot/protocol';
import type { Body, RelayCall } from './relay-rpc.ts';

export interface UploadPorts {
  /** Where its pieces go; opened for this very upload. */
  readonly open: (source: BodySource) => OutgoingBody;
  readonly failed: (failure: Failure) => void;
}

/** A customer's request body on its way to the orchestrator: read no faster than it can be sent. */
export class Upload implements BodySource {
  /** Into a buffer of ours: workerd's other reader gives 4 KiB at a time, whatever there is. */
  readonly #reader: ReadableStreamBYOBReader;
  readonly #ports: UploadPorts;
  readonly #body: OutgoingBody;
  #bytes = 0;
  #stopped = false;
  /** Used again when what was read into it has been sent, which is a copy. */
  #buffer = newBuffer();
  #resume: (() => void) | undefined;

  constructor(stream: ReadableStream<Uint8Array>, ports: UploadPorts) {
    this.#reader = stream.getReader({ mode: 'byob' });
    this.#ports = ports;
    this.#body = ports.open(this);
  }

  /** Resolves when all is handed over, or it was stopped; never rejects. */
  async run(): Promise<void> {
    try {
      for (let read = await this.#read(); read !== undefined; read = await this.#read()) {
        if (!this.#body.write(read)) await this.#room();
        this.#buffer = this.#body.queued === 0 ? new Uint8Array(read.buffer) : newBuffer();
      }
      if (!this.#stopped) this.#body.end();
    } catch (thrown) {
      if (!this.#stopped) this.#ports.failed(thrown instanceof Failure ? thrown : brokeOff(thrown));
      this.stop();
    }
  }

  resume(): void {
    this.#resume?.();
  }

  done(): void {
    // The answer ends the call, whether it waited for all of this or not.
  }

  overflow(failure: Failure): void {
    this.#ports.failed(failure);
  }

  /** Nobody wants the rest of it. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#resume?.();
    // The customer has broken it off, or is told so by this: neither is news.
    this.#reader.cancel('not wanted any more').catch(() => undefined);
  }

  async #read(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#stopped) return undefined;
    const { done, value } = await this.#reader.read(this.#buffer);
    if (done || this.#stopped) return undefined;
    this.#bytes += value.length;
    if (this.#bytes > RELAY_BODY_BYTES_MAX) throw tooLarge();
    return value;
  }

  async #room(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resume = resolve;
    await promise;
    this.#resume = undefined;
  }
}

/** More at a time spares little, and each upload has such a buffer. */
const READ_BYTES = 64 * 1024;
const newBuffer = () => new Uint8Array(READ_BYTES);

const tooLarge = () =>
  new Failure('too_large', `a request body may have ${RELAY_BODY_BYTES_MAX} bytes`, {
    execution: 'may_have_executed',
  });

const brokeOff = (cause: unknown) =>
  new Failure('bad_request', 'the request’s body broke off', { execution: 'may_have_executed', cause });

/** How a request's body crosses: in its head, or as what follows behind it. */
export function bodyOf({ body, bodyLength: length }: RelayCall): {
  head: BodyHead;
  rest?: NonNullable<Body>;
} {
  if (body instanceof ReadableStream) {
    return { head: { kind: 'stream', ...(length === undefined ? {} : { length }) }, rest: body };
  }
  const head = headOfBody(body);
  return head.kind === 'stream' && body !== null ? { head, rest: body } : { head };
}
