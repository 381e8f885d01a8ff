export * from './sql.ts';
export * from './store.ts';
