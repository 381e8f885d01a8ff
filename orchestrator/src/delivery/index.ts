export * from './deliveries.ts';
export * from './table.ts';
export * from './upstream.ts';
