export * from './configs.ts';
export * from './health.ts';
export * from './identity.ts';
export * from './live.ts';
export * from './orchestrator.ts';
export * from './problem.ts';
export * from './resources.ts';
export * from './secrets.ts';
