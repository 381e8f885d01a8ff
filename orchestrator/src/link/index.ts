export * from './backoff.ts';
export * from './link.ts';
export * from './log.ts';
export * from './logs.ts';
export * from './losses.ts';
export * from './resync.ts';
export * from './socket.ts';
export * from './state.ts';
