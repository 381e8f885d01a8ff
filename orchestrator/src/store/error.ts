/** The database cannot be used; nothing in it was changed. The message names the file and what to do. */
export class StoreError extends Error {
  override readonly name: string = 'StoreError';
}

/** The disk of the database is full: the same succeeds when there is room. */
export class DiskFull extends StoreError {
  override readonly name = 'DiskFull';
}
