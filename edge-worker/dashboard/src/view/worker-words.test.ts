import type { WorkerStatus } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { inOrder, seen, standingOf } from './worker-words.ts';

const fine = { at: 1, ok: true, status: 200, latencyMs: 45, certificateDays: 60, looks: 96, good: 95 };
const sick = { at: 1, ok: false, detail: 'it answered 500', status: 500, latencyMs: 9, looks: 2, good: 1 };
const worker = (name: string, more: Partial<WorkerStatus> = {}): WorkerStatus => ({
  ...{ name, state: 'deployed', at: 1, health: fine },
  ...more,
});

it.each([
  [{}, 'healthy'],
  [{ health: undefined }, 'deployed'],
  [{ drift: 'the Worker is gone' }, 'changed outside'],
  [{ health: sick, drift: 'it was deployed outside' }, 'unhealthy'],
  [{ health: sick, state: 'deploying' }, 'deploying'],
  [{ state: 'failed' }, 'failed'],
] as const)('a Worker with %o is %s', (more, word) => {
  expect(standingOf(worker('a', more as Partial<WorkerStatus>)).word).toBe(word);
});

it('what was seen of it is told in a line', () => {
  expect(seen(worker('a'))).toBe('200 in 45 ms · certificate 60 d · 95 of 96 good');
  const silent = { at: 1, ok: false, detail: 'no answer within 10 s', looks: 1, good: 0 };
  expect(seen(worker('a', { health: silent }))).toBe('no answer · 0 of 1 good');
  expect(seen({ name: 'a', state: 'deployed', at: 1 })).toBe('not looked at yet');
});

it('those that somebody may have to look at come first', () => {
  const workers = [
    worker('b'),
    worker('a'),
    worker('drifts', { drift: 'gone' }),
    worker('ill', { health: sick }),
  ];
  expect(inOrder(workers).map(({ name }) => name)).toEqual(['ill', 'drifts', 'a', 'b']);
});
