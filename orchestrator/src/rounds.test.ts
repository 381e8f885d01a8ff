import { expect, it, vi } from 'vitest';
import { recordingLogger } from './log.fixture.ts';
import { type Round, runRound } from './rounds.ts';
import { LeaseLost } from './store/index.ts';

const never = new AbortController().signal;

async function run(look: Round['look'], signal = never) {
  const { log, lines } = recordingLogger();
  const [onTold, onLeaseLost] = [vi.fn(), vi.fn()];
  await runRound({ name: 'drift', look }, signal, { log, onTold, onLeaseLost });
  return { lines, told: onTold.mock.calls.length, lost: onLeaseLost.mock.calls.length };
}

it('a round wakes the log when it has recorded events, and then alone', async () => {
  expect(await run(async () => true)).toMatchObject({ told: 1, lost: 0, lines: [] });
  expect(await run(async () => false)).toMatchObject({ told: 0, lost: 0, lines: [] });
});

it('a failure is logged and the next round looks again; a lost lease ends the process', async () => {
  const failed = await run(() => Promise.reject(new Error('the disk is full')));
  expect(failed).toMatchObject({ told: 0, lost: 0 });
  expect(failed.lines.join('')).toMatch(/drift.*the disk is full/);
  const lost = await run(() => Promise.reject(new LeaseLost('a newer process has taken over')));
  expect(lost).toMatchObject({ told: 0, lost: 1, lines: [] });
});

it('one that was stopped has not failed', async () => {
  const stopped = AbortSignal.abort();
  expect((await run(() => Promise.reject(new Error('aborted')), stopped)).lines).toEqual([]);
});
