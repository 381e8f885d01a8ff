import { expect, it } from 'vitest';
import { ManualClock } from './clock.fixture.ts';
import { recordingLogger } from './log.fixture.ts';
import { LeaseLost } from './store/index.ts';
import { Upkeep } from './upkeep.ts';

function upkeep(...tasks: (() => boolean)[]) {
  const clock = new ManualClock();
  const lost: Error[] = [];
  const { log, lines } = recordingLogger();
  const kept = new Upkeep({ clock, log, tasks, onLeaseLost: (error) => lost.push(error) });
  return { clock, lines, lost, kept };
}

it('runs its tasks at once, then every ten minutes', () => {
  let rounds = 0;
  const { clock, kept } = upkeep(() => ++rounds === 0);
  expect(rounds).toBe(1);
  clock.pass(10 * 60_000);
  expect(rounds).toBe(2);
  kept.stop();
  expect(clock.timers).toBe(0);
});

it('goes on soon while one of them has more to do, and then rests', () => {
  let left = 5;
  const { clock } = upkeep(
    () => --left > 0,
    () => false,
  );
  clock.pass(10_000);
  expect(left).toBe(0);
});

it('a task that fails holds up none of the others, and is tried again', () => {
  let others = 0;
  const { clock, lines } = upkeep(
    () => {
      throw new Error('broken');
    },
    () => ++others === 0,
  );
  clock.pass(10 * 60_000);
  expect(others).toBe(2);
  expect(lines.join('')).toContain('broken');
});

it('ends when a newer process owns the database', () => {
  const { clock, lost } = upkeep(() => {
    throw new LeaseLost('gone');
  });
  expect(lost).toHaveLength(1);
  expect(clock.timers).toBe(0);
});
