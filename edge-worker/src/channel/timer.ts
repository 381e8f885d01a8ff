import type { After } from './liveness.ts';

/** The runtime's timer. It keeps the object awake until it fires: for moments, never for what an alarm can do. */
export const after: After = (ms, task) => {
  const timer = setTimeout(task, ms);
  return () => clearTimeout(timer);
};
