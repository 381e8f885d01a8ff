export * from './app.ts';
export * from './commands.ts';
export * from './listen.ts';
export * from './self.ts';
