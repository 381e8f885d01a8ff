export * from './status.ts';
export * from './tunnel.ts';
