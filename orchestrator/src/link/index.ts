export * from './backoff.ts';
export * from './control.ts';
export * from './link.ts';
export * from './socket.ts';
export * from './state.ts';
