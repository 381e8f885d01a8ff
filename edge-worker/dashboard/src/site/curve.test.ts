import type { WorkerCheck } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { curveOf, HEIGHT, medianMs, WIDTH } from './curve.ts';
import { facts, summary } from './health-words.ts';

const good = (at: number, latencyMs: number, more: Partial<WorkerCheck> = {}): WorkerCheck => ({
  ...{ at, ok: true, status: 200, latencyMs },
  ...more,
});
const silent = (at: number): WorkerCheck => ({ at, ok: false, detail: 'no answer within 10 s' });
/** The newest first, as the VPS tells them. */
const CHECKS = [
  good(400, 100, { version: 'two' }),
  silent(300),
  good(200, 30, { ok: false, status: 500, version: 'one' }),
  good(100, 20, { version: 'one' }),
];

describe('the curve of a Worker’s looks', () => {
  const curve = curveOf(CHECKS);

  it('goes from the oldest at the left to the newest at the right, and breaks where nobody answered', () => {
    expect(curve?.lines.map((points) => points.length)).toEqual([2, 1]);
    const xs = curve?.lines.flat().map(({ x }) => x) ?? [];
    expect(xs).toEqual(xs.toSorted((a, b) => a - b));
    expect([curve?.from, curve?.to]).toEqual([100, 400]);
  });

  it('marks each look that failed, answered or not', () => {
    expect(curve?.failures).toHaveLength(2);
    expect(curve?.failures[1]?.y).toBeGreaterThan(HEIGHT - 10);
  });

  it('marks where another version began to answer, and a look that says none is no change', () => {
    expect(curve?.turns).toHaveLength(1);
    expect(
      curveOf([good(3, 1, { version: 'one' }), good(2, 1), good(1, 1, { version: 'one' })])?.turns,
    ).toEqual([]);
  });

  it('stays in its field, on a scale that can be read', () => {
    expect(curve?.topMs).toBe(100);
    expect(curveOf([good(2, 230), good(1, 7)])?.topMs).toBe(500);
    for (const { x, y } of curve?.lines.flat() ?? []) {
      expect([x >= 0, x <= WIDTH, y >= 0, y <= HEIGHT]).toEqual([true, true, true, true]);
    }
  });

  it('of a single look is a point, and of none nothing', () => {
    expect(curveOf([good(1, 5)])?.lines).toHaveLength(1);
    expect(curveOf([])).toBeUndefined();
  });
});

it('the curve is told in words, too', () => {
  expect(summary('hello', CHECKS, 60_400)).toBe(
    'Latency of hello over 0 s: 30 ms at the median, 100 ms at the most; 2 of 4 looks failed; last looked at 1 min ago.',
  );
  expect(summary('hello', [silent(1)], 1)).toBe(
    'Latency of hello: nobody ever answered; 1 of 1 looks failed; last looked at 0 s ago.',
  );
  expect(medianMs([])).toBeUndefined();
});

it('what the last look has shown: status, version, days left of the certificate', () => {
  expect(facts(good(1, 45, { version: 'abc', certificateDays: 60 })).map(({ value }) => value)).toEqual([
    '200 in 45 ms',
    'abc',
    '60 days left',
  ]);
  const expiring = facts(good(1, 45, { certificateDays: 13 })).find(({ name }) => name === 'Certificate');
  expect(expiring?.isBad).toBe(true);
  expect(facts(silent(1)).map(({ value, isBad }) => [value, isBad])).toEqual([
    ['no answer', true],
    ['it says none', false],
    ['no TLS', false],
  ]);
});
