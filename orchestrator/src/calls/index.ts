export * from './blobs.ts';
export * from './body.ts';
export * from './calls.ts';
export * from './incoming.ts';
export * from './secrets.ts';
export * from './tallies.ts';
