export * from './deliveries.ts';
export * from './gather.ts';
export * from './table.ts';
