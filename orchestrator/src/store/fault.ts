import { Failure } from '@clawdbot/protocol';

/**
 * What SQLite says when it cannot read or write: the disk is full, gone or read-only, the file is damaged or
 * locked. A broken constraint or a wrong statement is not among them: that is a mistake of ours.
 * https://www.sqlite.org/rescode.html
 */
const FAULT =
  /^SQLITE_(?:FULL|IOERR|BUSY|LOCKED|PROTOCOL|READONLY|CANTOPEN|PERM|CORRUPT|NOTADB|NOMEM)(?:_|$)/;

/** Whether it is the store that failed, and not what was asked of it: the same may succeed later. */
export const isStorageFault = (error: unknown): error is Error & { readonly code: string } =>
  error instanceof Error && 'code' in error && FAULT.test(String(error.code));

/** After a write has failed, whoever waits for the store tries again this often. */
export const STORAGE_RETRY_MS = 2_000;

/** What someone is told whose request could not be written down. */
export const storageFailed = (cause: Error): Failure =>
  new Failure(
    'storage_failed',
    'the orchestrator cannot write its database: see its health, then try again',
    {
      retryAfterMs: STORAGE_RETRY_MS,
      cause,
    },
  );
