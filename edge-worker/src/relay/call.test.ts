import { Failure } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import type { Answer } from '../channel/answer.ts';
import { keepDeadline } from './call.ts';

/** A call whose object answers when the test says so. */
function setup(deadlineMs: number) {
  const answer = Promise.withResolvers<Answer<string>>();
  const leave = new AbortController();
  const cancelled: string[] = [];
  const result = keepDeadline({
    requestId: 'r1',
    deadlineMs,
    channel: { cancelCall: async (id: string) => void cancelled.push(id) },
    signal: leave.signal,
    background: (task) => void task,
    open: () => answer.promise,
  });
  const failure = () => result.then(String, (thrown: Failure) => [thrown.code, thrown.details.execution]);
  return { answer, leave, cancelled, result, failure };
}

describe('an open call', () => {
  it('gives the object’s answer', async () => {
    const { answer, result, cancelled } = setup(1_000);
    answer.resolve({ ok: true, value: 'yes' });
    expect([await result, cancelled]).toEqual(['yes', []]);
  });

  it('throws the object’s failure as it was told', async () => {
    const { answer, failure } = setup(1_000);
    answer.resolve({
      ok: false,
      error: new Failure('orchestrator_away', 'x', { execution: 'not_started' }).toWire(),
    });
    expect(await failure()).toEqual(['orchestrator_away', 'not_started']);
  });

  it('past its deadline is cancelled, and may have been executed', async () => {
    const { failure, cancelled } = setup(5);
    expect(await failure()).toEqual(['deadline_exceeded', 'may_have_executed']);
    expect(cancelled).toEqual(['r1']);
  });

  it('is cancelled when who asked has gone', async () => {
    const { failure, cancelled, leave } = setup(60_000);
    leave.abort();
    expect(await failure()).toEqual(['deadline_exceeded', 'may_have_executed']);
    expect(cancelled).toEqual(['r1']);
  });

  it('whose object is lost may have been executed', async () => {
    const { answer, failure } = setup(1_000);
    answer.reject(new Error('Durable Object reset'));
    expect(await failure()).toEqual(['orchestrator_lost', 'may_have_executed']);
  });

  it('whose object is overloaded was not started', async () => {
    const { answer, failure } = setup(1_000);
    answer.reject(Object.assign(new Error('overloaded'), { overloaded: true }));
    expect(await failure()).toEqual(['overloaded', 'not_started']);
  });
});
