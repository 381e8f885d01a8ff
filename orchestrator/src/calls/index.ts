export * from './blobs.ts';
export * from './calls.ts';
export * from './incoming.ts';
export * from './secrets.ts';
