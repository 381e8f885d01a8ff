import type { BodyHead } from './frames/index.ts';
import { INLINE_BODY_BYTES_MAX } from './limits.ts';

const encoder = new TextEncoder();
/** Fatal, so that bytes that are no UTF-8 are seen; without it they would be replaced. A BOM is kept. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** How a body travels: small ones in the head (text when it is UTF-8), others as the chunks that follow. */
export function headOfBody(bytes: Uint8Array | null): BodyHead {
  if (bytes === null || bytes.length === 0) return { kind: 'none' };
  if (bytes.length > INLINE_BODY_BYTES_MAX) return { kind: 'stream', length: bytes.length };
  try {
    return { kind: 'text', data: decoder.decode(bytes) };
  } catch {
    return { kind: 'base64', data: btoa(String.fromCharCode(...bytes)) };
  }
}

type InlineBody = Exclude<BodyHead, { kind: 'stream' }>;

/** A body that came inside its head, a text as it is; null for none. A streamed one has its bytes elsewhere. */
export function bodyOfHead(head: InlineBody): Uint8Array | string | null {
  switch (head.kind) {
    case 'none':
      return null;
    case 'text':
      return head.data;
    case 'base64':
      return Uint8Array.from(atob(head.data), (char) => char.charCodeAt(0));
  }
}

/** As `bodyOfHead`, in bytes. */
export function bytesOfHead(head: InlineBody): Uint8Array | null {
  const body = bodyOfHead(head);
  return typeof body === 'string' ? encoder.encode(body) : body;
}

/** Gathers the chunks of one streamed body, up to a limit. */
export class BodyBuffer {
  readonly #limit: number;
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  /** Keeps a copy (a chunk is a view of a message that is reused). @returns false when the limit is passed */
  add(bytes: Uint8Array): boolean {
    this.#length += bytes.length;
    if (this.#length > this.#limit) return false;
    this.#parts.push(bytes.slice());
    return true;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}
