/** One HTTP/1.1 response, its body as Latin-1. */
export interface Reply {
  readonly status: number;
  readonly body: string;
}

const HEAD_END = '\r\n\r\n';

/**
 * Reads one response after another off a connection that has one request open at a time. It knows what the
 * benchmark's replies need and no more: a client that does all of HTTP would cost more CPU than the path that it
 * measures.
 */
export class ReplyReader {
  #text = '';

  /** @returns the reply, once all of it is here. Throws on what is no response, or more than one. */
  push(chunk: Buffer): Reply | undefined {
    this.#text += chunk.toString('latin1');
    const headEnd = this.#text.indexOf(HEAD_END);
    if (headEnd < 0) return undefined;
    const head = this.#text.slice(0, headEnd);
    const body = bodyIn(head, this.#text.slice(headEnd + HEAD_END.length));
    if (body === undefined) return undefined;
    this.#text = '';
    return { status: statusIn(head), body };
  }
}

function statusIn(head: string): number {
  const [, status] = /^HTTP\/1\.1 (\d{3})/.exec(head) ?? [];
  if (status === undefined) throw new Error(`not a response: ${head.slice(0, 80)}`);
  return Number(status);
}

/** Counts the bytes of a reply that is too large to be looked at: it has to have its length. */
export class LargeReplyReader {
  #head = '';
  #left: number | undefined;

  /** @returns the status, once all of it is here. Throws on what is no response of a known length, or more than one. */
  push(chunk: Buffer): number | undefined {
    if (this.#left === undefined) this.#readHead(chunk);
    else this.#left -= chunk.length;
    if (this.#left === undefined || this.#left > 0) return undefined;
    if (this.#left < 0) throw new Error('more bytes than the response has');
    const status = statusIn(this.#head);
    this.#head = '';
    this.#left = undefined;
    return status;
  }

  #readHead(chunk: Buffer): void {
    this.#head += chunk.toString('latin1');
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) return;
    const [, length] = /\r\ncontent-length: *(\d+)/i.exec(this.#head.slice(0, end)) ?? [];
    if (length === undefined) throw new Error(`a reply without its length: ${this.#head.slice(0, end)}`);
    this.#left = Number(length) - (this.#head.length - end - HEAD_END.length);
    this.#head = this.#head.slice(0, end);
  }
}

/** The whole body, or undefined while some of it is missing. */
function bodyIn(head: string, rest: string): string | undefined {
  const [, length] = /\r\ncontent-length: *(\d+)/i.exec(head) ?? [];
  if (length === undefined) return /\r\ntransfer-encoding: *chunked/i.test(head) ? dechunk(rest) : '';
  if (rest.length > Number(length)) throw new Error('more bytes than the response has');
  return rest.length < Number(length) ? undefined : rest;
}

/** RFC 9112 §7.1, without extensions and trailers. */
function dechunk(rest: string): string | undefined {
  let body = '';
  let at = 0;
  for (;;) {
    const sizeEnd = rest.indexOf('\r\n', at);
    if (sizeEnd < 0) return undefined;
    const size = Number.parseInt(rest.slice(at, sizeEnd), 16);
    const end = sizeEnd + 2 + size;
    if (rest.length < end + 2) return undefined;
    if (size === 0) return body;
    body += rest.slice(sizeEnd + 2, end);
    at = end + 2;
  }
}
