export * from './allow.ts';
export type { Reply } from './exchange.ts';
export * from './relay.ts';
