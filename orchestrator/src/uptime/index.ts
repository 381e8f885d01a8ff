export * from './uptime.ts';
export * from './visit.ts';
