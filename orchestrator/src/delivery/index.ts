export * from './deliveries.ts';
export * from './gather.ts';
