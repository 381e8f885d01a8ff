export * from './blobs.ts';
export * from './incoming.ts';
