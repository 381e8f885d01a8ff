/** What an operator may have done on a VPS: as it is asked for, as it crosses the control log, and what became of it. */

export * from './adopt.ts';
export * from './config.ts';
export * from './deploy.ts';
export { takenTwice, type WorkerBinding, workerBinding } from './env.ts';
export * from './rollback.ts';
export * from './rollout.ts';
export * from './state.ts';
export * from './version.ts';
export { workerName } from './worker.ts';
