/** Made once: a request's ids are on the hot path, and formatting each byte measured 1 % of it. */
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function hexOf(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += HEX[byte];
  return hex;
}

/** The platform's randomness, as protocol's `RandomBytes`. */
export const randomBytes = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

/** Drawn and formatted ahead: doing that for each request's ids measured 7 % of it. */
const POOL_BYTES = 4_096;
let pool = '';
let poolAt = 0;

/** Random bytes as hex, for what each request needs: 32 bytes at most. No byte is given twice. */
export function pooledRandomHex(bytes: number): string {
  if (poolAt + 2 * bytes > pool.length) {
    pool = hexOf(randomBytes(POOL_BYTES));
    poolAt = 0;
  }
  poolAt += 2 * bytes;
  return pool.slice(poolAt - 2 * bytes, poolAt);
}

/**
 * Gives the memory of bytes back that nobody reads any more, with the buffer they lie in. V8 would keep it until it
 * collects, and it takes 64 MiB of buffers for no pressure at all: an object has 128 MB.
 */
export function release(bytes: Uint8Array): void {
  if (bytes.buffer instanceof ArrayBuffer && !bytes.buffer.detached) bytes.buffer.transfer(0);
}
