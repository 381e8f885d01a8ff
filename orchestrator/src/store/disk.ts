import { statfsSync } from 'node:fs';
import { DiskFull, StoreError } from './error.ts';
import { isStorageFault } from './fault.ts';

/** Bytes that this user may still write to the disk of `folder`. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Runs `work`, and gives the disk's failure a sentence that says which folder it is and what to do. */
export function explainDisk<T>(dataDir: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof StoreError || !isDiskError(error)) throw error;
    const { code, message } = error;
    if (code === 'ENOSPC' || code === 'SQLITE_FULL' || freeBytes(dataDir) < LEAST_BYTES) {
      const free = `${Math.floor(freeBytes(dataDir) / 1024)} KiB are free`;
      throw new DiskFull(`${dataDir} is on a full disk (${free}): make room, then start again`, {
        cause: error,
      });
    }
    throw new StoreError(`${dataDir} cannot be used (${message}): look at its disk and its permissions`, {
      cause: error,
    });
  }
}

/** SQLite's files grow by as much at once: without it, a write fails as an I/O error. */
const LEAST_BYTES = 64 * 1024;

/** SQLite's or the file system's own. */
function isDiskError(error: unknown): error is Error & { readonly code: string } {
  return isStorageFault(error) || (error instanceof Error && 'syscall' in error && 'code' in error);
}
