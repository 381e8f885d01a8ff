export * from './incoming.ts';
export * from './outgoing.ts';
export * from './window.ts';
