export * from './allow.ts';
export * from './relay.ts';
