export * from './letters.ts';
export * from './loop.ts';
