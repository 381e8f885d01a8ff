/**
 * Gives the memory of bytes back that nobody reads any more, if they are all of their buffer. V8 would keep it until it
 * collects, and counts it as if it stayed: it collected the whole heap after each 13 MiB that passed, which was three
 * quarters of what a download cost. Of none there is nothing to give back, and undici hands on its one empty buffer.
 */
export function release(bytes: Uint8Array): void {
  const { buffer, byteLength } = bytes;
  if (byteLength === 0 || byteLength !== buffer.byteLength) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
