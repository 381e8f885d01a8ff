import type { WorkerStatus } from '@clawdbot/protocol';
import type { Tone } from './badge.tsx';
import type { Shape } from './icon.tsx';

/** How a Worker stands, by what is worst of it. */
export interface Standing {
  readonly word: string;
  readonly tone: Tone;
  readonly shape: Shape;
}

export function standingOf({ state, drift, health }: WorkerStatus): Standing {
  if (state === 'failed') return { word: 'failed', tone: 'bad', shape: 'failed' };
  if (state === 'deploying') return { word: 'deploying', tone: 'busy', shape: 'running' };
  if (health?.ok === false) return { word: 'unhealthy', tone: 'bad', shape: 'away' };
  if (drift !== undefined) return { word: 'changed outside', tone: 'warn', shape: 'draining' };
  return health === undefined
    ? { word: 'deployed', tone: 'quiet', shape: 'never' }
    : { word: 'healthy', tone: 'good', shape: 'online' };
}

/** What the last look has shown, and the looks before it. */
export function seen({ health }: WorkerStatus): string {
  if (health === undefined) return 'not looked at yet';
  const { status, latencyMs, certificateDays, good, looks } = health;
  const parts = [
    status === undefined ? 'no answer' : `${status} in ${latencyMs ?? 0} ms`,
    ...(certificateDays === undefined ? [] : [`certificate ${certificateDays} d`]),
    `${good} of ${looks} good`,
  ];
  return parts.join(' · ');
}

/** That first which somebody may have to look at. */
export const TONES: readonly Tone[] = ['bad', 'warn', 'busy', 'quiet', 'good'];

/** Those first that somebody may have to look at, then by name. */
export const inOrder = (workers: readonly WorkerStatus[]): WorkerStatus[] =>
  workers.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
const rank = (worker: WorkerStatus): number => TONES.indexOf(standingOf(worker).tone);
