export * from './inbox.ts';
export type { EntryKey, InboxItem, Letter } from './letter.ts';
export * from './outbox.ts';
export type { Followed } from './peer.ts';
export * from './schema.ts';
export * from './sql.ts';
