import { Failure } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  clock,
  dial,
  edge,
  events,
  open,
  ownSession,
  relayed,
  report,
  request,
  send,
  session,
  settle,
} from './session.fixture.ts';

ownSession();

describe('PROTOCOL: calls from the edge', () => {
  beforeEach(() => open());

  it('F1: answers of one turn leave in one message while calls are open', async () => {
    send(request(2), request(4), request(6));
    const before = edge.texts.length;
    relayed[0]?.answer({});
    relayed[1]?.answer({});
    await settle();
    expect(edge.take('response')).toHaveLength(2);
    expect(edge.texts.length - before).toBe(1);
  });

  it('an answer that cannot be carried is upstream_failed, and the socket stays', async () => {
    send(request(2));
    relayed[0]?.answer({ status: 999 });
    await settle();
    expect(edge.take('error')[0]).toMatchObject({ id: 2, error: { code: 'upstream_failed' } });
    expect(edge.closed).toBeUndefined();
  });

  it('C2: a Failure is the answer; anything else is internal and says nothing of itself', async () => {
    send(request(2), request(4));
    relayed[0]?.fail(new Failure('not_found', 'no route'));
    relayed[1]?.fail(new TypeError('secret detail'));
    await settle();
    expect(edge.take('error').map(({ error }) => [error.code, error.message.includes('secret')])).toEqual([
      ['not_found', false],
      ['internal', false],
    ]);
  });

  it('C4: the deadline ends a call, aborts its work, and a late answer is dropped', async () => {
    send(request(2, { deadlineMs: 50 }));
    clock.pass(50);
    expect(edge.take('error')[0]).toMatchObject({
      id: 2,
      error: { code: 'deadline_exceeded', execution: 'may_have_executed' },
    });
    expect(relayed[0]?.signal.aborted).toBe(true);
    relayed[0]?.answer({});
    await settle();
    expect(edge.take('response')).toEqual([]);
  });

  it('C2: cancel aborts the work, and nothing is answered', async () => {
    send(request(2));
    send({ type: 'cancel', id: 2, reason: 'the customer left' });
    expect(relayed[0]?.signal.aborted).toBe(true);
    relayed[0]?.answer({});
    await settle();
    expect(edge.take('response')).toEqual([]);
    expect(session.callsOpen).toBe(0);
  });

  it('get_status is answered with the report', async () => {
    send({ type: 'get_status', id: 2, siteId: 'site-1', deadlineMs: 1_000 });
    await settle();
    expect(edge.take('get_status_result')).toEqual([{ type: 'get_status_result', id: 2, data: report }]);
  });

  it('C1: the edge opens calls with even ids, each once', () => {
    send(request(3));
    expect(edge.closed?.code).toBe(4400);
    dial();
    open();
    send(request(2), request(2));
    expect(edge.closed?.code).toBe(4400);
  });

  it('C5: more calls than the limit are overloaded and not started', () => {
    for (let id = 2; id <= 2 * 4_097; id += 2) send(request(id));
    expect(relayed).toHaveLength(4_096);
    expect(edge.take('error')[0] ?? clock.flush()).toBeUndefined();
    expect(edge.take('error')).toEqual([
      expect.objectContaining({
        error: expect.objectContaining({ code: 'overloaded', execution: 'not_started' }),
      }),
    ]);
  });

  it('C2: the end of the socket aborts what is open', () => {
    send(request(2));
    session.closed(1006, '');
    expect(relayed[0]?.signal.aborted).toBe(true);
    expect(events.ended).toHaveBeenCalledTimes(1);
  });
});
