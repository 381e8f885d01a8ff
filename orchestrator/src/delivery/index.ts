export * from './deliveries.ts';
export * from './table.ts';
