import { expect, it } from 'vitest';
import { troubledTable, workerLines } from './workers.ts';

const deployed = {
  ...{ name: 'tracker', state: 'deployed' as const, at: 1, proof: 'observed' as const },
  url: 'https://tracker.example',
};
const fine = { at: 60_000, ok: true, status: 200, latencyMs: 45, version: 'v-1', certificateDays: 60 };
const sick = (at: number) => ({ at, ok: false, detail: 'no answer within 10 s' });

it('a Worker that was not looked at has one line, with how it differs', () => {
  const drift = 'it was deployed outside';
  expect(workerLines({ ...deployed, drift }, 0)).toEqual([
    '  worker tracker: deployed, observed, https://tracker.example, it was deployed outside',
  ]);
});

it('one that was, has what was seen last, and the latest looks that failed', () => {
  const checks = [fine, sick(4_000), sick(3_000), sick(2_000), sick(1_000)];
  const lines = workerLines({ ...deployed, health: { ...fine, looks: 96, good: 92 }, checks }, 120_000);
  expect(lines.slice(1)).toEqual([
    '    answered 200 in 45 ms by version v-1, certificate for 60 days 1 min ago; 92 of the last 96 looks were good',
    ...[4, 3, 2].map((s) => `    failed at 1970-01-01 00:00:0${s}: no answer within 10 s`),
  ]);
  const [, last] = workerLines({ ...deployed, health: { ...sick(60_000), looks: 1, good: 0 } }, 61_000);
  expect(last).toBe('    not answered (no answer within 10 s) 1 s ago; 0 of the last 1 looks were good');
});

it('what was answered is told with where it was asked, and that an error at "/" is a sign of life', () => {
  const health = { ...fine, looks: 1, good: 1 };
  const [, there] = workerLines({ ...deployed, health: { ...health, path: '/up' } }, 60_000);
  expect(there).toMatch(/answered 200 at \/up in 45 ms/);
  // Its next deployment has it asked elsewhere from the next look on.
  const lookedAt = { path: '/up', status: 200 };
  const [, alive] = workerLines({ ...deployed, lookedAt, health: { ...health, status: 404 } }, 60_000);
  expect(alive).toMatch(/answered 404 \(so it is alive\) in 45 ms/);
});

it('of all Workers those are named that somebody may have to look at, with all that is wrong', () => {
  const health = { ...sick(1), looks: 1, good: 0 };
  expect(troubledTable([{ ...deployed, health: { ...fine, looks: 1, good: 1 } }])).toEqual([]);
  const [text = ''] = troubledTable([
    deployed,
    { ...deployed, name: 'ill', siteId: 'shop', drift: 'gone', health },
  ]);
  expect(text.split('\n').slice(1)).toEqual([
    expect.stringMatching(/^ill +shop +no answer within 10 s; gone$/),
  ]);
});
