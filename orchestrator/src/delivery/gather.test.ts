import { Failure } from '@clawdbot/protocol';
import { expect, it, vi } from 'vitest';
import type { BodySink, BodyStream } from '../calls/index.ts';
import { ManualClock } from '../clock.fixture.ts';
import { gather } from './gather.ts';

const clock = new ManualClock();

/** Gathers a body that is driven by hand. */
function gathering(bytesMax = 4) {
  const giveUp = vi.fn();
  let sink: BodySink | undefined;
  const body: BodyStream = { length: undefined, start: (it) => (sink = it), resume: () => {} };
  const gathered = gather(body, { bytesMax, ms: 1_000, clock, giveUp });
  if (sink === undefined) throw new Error('not started');
  return { gathered, sink, giveUp };
}
const bytes = (...values: number[]) => Uint8Array.from(values);

it('a body that comes whole is what is returned', async () => {
  const { gathered, sink, giveUp } = gathering();
  expect([sink.write(bytes(1, 2)), sink.write(bytes(3))]).toEqual([true, true]);
  sink.end();
  expect(await gathered).toEqual(bytes(1, 2, 3));
  expect(giveUp).not.toHaveBeenCalled();
});

it('a body that is too large or never ends is given up, and counts as too large', async () => {
  const large = gathering();
  expect(large.sink.write(bytes(1, 2, 3, 4, 5))).toBe(false);
  expect(await large.gathered).toHaveLength(5);
  expect(large.giveUp).toHaveBeenCalledTimes(1);
  const endless = gathering();
  endless.sink.write(bytes(1));
  clock.pass(1_000);
  expect(await endless.gathered).toHaveLength(5);
  expect(endless.giveUp).toHaveBeenCalledTimes(1);
});

it('a body that breaks off does not undo what its head has said', async () => {
  const { gathered, sink } = gathering();
  sink.fail(new Failure('upstream_failed', 'it broke off'));
  expect(await gathered).toHaveLength(5);
});

it('what is whole already is returned as it is', async () => {
  const options = { bytesMax: 4, ms: 1_000, clock, giveUp: () => {} };
  expect([await gather(null, options), await gather(bytes(1), options)]).toEqual([null, bytes(1)]);
});
