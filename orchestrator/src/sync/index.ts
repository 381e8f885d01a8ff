export * from './events.ts';
export * from './health.ts';
export * from './needs.ts';
export * from './shared.ts';
export * from './upstream.ts';
