import { expect, it } from 'vitest';
import { ManualClock } from '../clock.fixture.ts';
import { STATUS_INTERVAL_MS, StatusPace } from './status-pace.ts';

function setup() {
  const clock = new ManualClock();
  const sent: number[] = [];
  return { clock, sent, pace: new StatusPace(clock, () => sent.push(clock.now())) };
}

it('the first change is told a turn later, never within the transaction that makes it', () => {
  const { clock, sent, pace } = setup();
  pace.note();
  expect(sent).toHaveLength(0);
  clock.flush();
  expect(sent).toHaveLength(1);
});

it('of many changes the last is told, and no two follow each other sooner than the interval', () => {
  const { clock, sent, pace } = setup();
  for (let ms = 0; ms <= 1_000; ms += 10) {
    pace.note();
    clock.pass(10);
  }
  clock.pass(STATUS_INTERVAL_MS);
  expect(sent.length).toBeLessThanOrEqual(6);
  expect(Math.min(...sent.slice(1).map((at, n) => at - (sent[n] ?? 0)))).toBeGreaterThanOrEqual(
    STATUS_INTERVAL_MS,
  );
  expect(sent.at(-1)).toBeGreaterThanOrEqual(1_000_000 + 1_000);
});

it('a session that has ended tells nothing, and leaves no timer', () => {
  const { clock, sent, pace } = setup();
  pace.note();
  clock.flush();
  pace.note();
  pace.stop();
  pace.note();
  clock.pass(2 * STATUS_INTERVAL_MS);
  expect([sent.length, clock.timers]).toEqual([1, 0]);
});
