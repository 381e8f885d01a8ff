export * from './handler.ts';
export * from './runner.ts';
