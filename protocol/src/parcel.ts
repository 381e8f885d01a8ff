import { z } from 'zod';
import type { HeaderList } from './headers.ts';

/** What of a stored request is not its body. */
const parcelHead = z.object({
  method: z.string().max(40),
  /** Path and query, prefix stripped. */
  url: z.string().startsWith('/').max(16_384),
  headers: z.array(z.tuple([z.string().min(1), z.string()])).max(500),
  requestId: z.string().min(1).max(128),
});
export type ParcelHead = z.infer<typeof parcelHead>;

export interface Parcel {
  readonly head: ParcelHead;
  readonly body: Uint8Array | null;
}

/** Big-endian, before the head. */
const LENGTH_BYTES = 4;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A stored request as one run of bytes: the length of its head, its head as JSON, its body. */
export function encodeParcel(
  { method, url, headers, requestId }: Omit<ParcelHead, 'headers'> & { readonly headers: HeaderList },
  body: Uint8Array | null,
): Uint8Array<ArrayBuffer> {
  const head = encoder.encode(JSON.stringify({ method, url, headers, requestId }));
  const bytes = new Uint8Array(LENGTH_BYTES + head.length + (body?.length ?? 0));
  new DataView(bytes.buffer).setUint32(0, head.length);
  bytes.set(head, LENGTH_BYTES);
  if (body !== null) bytes.set(body, LENGTH_BYTES + head.length);
  return bytes;
}

/** The body is a view of the same bytes, null when there is none. Throws on what `encodeParcel` has not made. */
export function decodeParcel(bytes: Uint8Array): Parcel {
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
  const end = LENGTH_BYTES + length;
  const head = parcelHead.parse(JSON.parse(decoder.decode(bytes.subarray(LENGTH_BYTES, end))));
  return { head, body: bytes.length > end ? bytes.subarray(end) : null };
}
