export * from './inbox.ts';
export * from './outbox.ts';
export * from './schema.ts';
export * from './sql.ts';
