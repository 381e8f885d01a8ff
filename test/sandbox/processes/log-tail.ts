import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const TAIL_BYTES = 2_000;

/** The end of a part's log, for the message that says why it did not come up. */
export function logTail(file: string): string {
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trim();
  } finally {
    closeSync(fd);
  }
}
