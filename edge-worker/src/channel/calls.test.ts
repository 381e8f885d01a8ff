import type { FrameToOrchestrator } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { Calls } from './calls.ts';

function setup() {
  const pushed: FrameToOrchestrator[] = [];
  const calls = new Calls({
    push: (frame) => void pushed.push(frame),
    send: (_chunk, sent) => sent(),
    end: () => undefined,
  });
  return { calls, pushed };
}

it('C4: a call that was not answered in time fails, and the orchestrator is told', async () => {
  const { calls, pushed } = setup();
  const { id, reply } = calls.relay('r', 1_000);
  const failed = expect(reply).rejects.toMatchObject({
    code: 'deadline_exceeded',
    details: { execution: 'may_have_executed' },
  });
  calls.expire(999);
  expect([calls.size, pushed]).toEqual([1, []]);
  calls.expire(1_000);
  await failed;
  expect([calls.size, pushed]).toMatchObject([0, [{ type: 'cancel', id }]]);
});

it('C4: an answer that streams may take its time', async () => {
  const { calls, pushed } = setup();
  const { id, reply } = calls.relay('r', 1_000);
  calls.onResponse({ type: 'response', id, status: 200, headers: [], body: { kind: 'stream' } });
  await reply;
  calls.expire(5_000);
  expect([calls.size, pushed]).toEqual([1, []]);
});
