import { edgeCodec, type FrameToOrchestrator } from '@clawdbot/protocol';
import { describe, expect, it, vi } from 'vitest';
import { LeaseLost } from '../store/index.ts';
import { markRestored } from './logs.fixture.ts';
import {
  clock,
  committed,
  dial,
  edge,
  entry,
  events,
  finish,
  open,
  ownSession,
  relayed,
  request,
  resync,
  send,
  session,
  settle,
  store,
  welcome,
} from './session.fixture.ts';
import { STATUS_INTERVAL_MS } from './status-pace.ts';

ownSession();

describe('PROTOCOL: the control log', () => {
  it('L3: entries of one turn are committed together and acknowledged once', () => {
    open();
    send(entry(1), entry(2));
    send(entry(3));
    expect(edge.take('ack')).toEqual([]);
    clock.flush();
    expect(edge.take('ack')).toEqual([{ type: 'ack', log: 'control', applied: 3 }]);
    expect(store.inboxes.control.pending(10, clock.now()).map((item) => item.seq)).toEqual([1, 2, 3]);
    expect(committed).toHaveBeenCalledTimes(1);
  });

  it('L4: entries sent again are acknowledged again, and committed once', () => {
    open();
    send(entry(1));
    clock.flush();
    send(entry(1));
    clock.flush();
    expect(edge.take('ack').map((ack) => ack.applied)).toEqual([1, 1]);
    expect(store.inboxes.control.depth().pending).toBe(1);
  });

  it('L4: a gap is said and closes as malformed, and nothing behind it is committed', () => {
    open();
    send(entry(1), entry(3));
    clock.flush();
    expect(edge.take('error')).toEqual([
      { type: 'error', error: expect.objectContaining({ message: expect.stringContaining('entry 3') }) },
    ]);
    expect(edge.closed?.code).toBe(4400);
    expect(store.inboxes.control.depth().pending).toBe(0);
  });

  it('L5: what the edge has not applied is sent after welcome, and what is new when that has arrived', () => {
    const sent = () => edge.take('entry').map(({ body }) => body);
    for (const body of ['a', 'b', 'c']) store.outboxes.control.append(body);
    open({ applied: 1 });
    expect(sent()).toEqual(['b', 'c']);
    for (const body of ['d', 'e']) {
      store.outboxes.control.append(body);
      store.logs.wake();
      clock.flush();
    }
    expect(sent()).toEqual(['b', 'c']);
    send({ type: 'ack', log: 'control', applied: 3 });
    clock.flush();
    expect(sent()).toEqual(['b', 'c', 'd', 'e']);
    send({ type: 'ack', log: 'control', applied: 5 });
    store.outboxes.control.append('f');
    store.logs.wake();
    clock.flush();
    expect(sent()).toEqual(['b', 'c', 'd', 'e', 'f']);
  });

  it('L5: when the edge has followed another log, sending begins at the oldest that is kept', () => {
    for (const body of ['a', 'b', 'c']) store.outboxes.control.append(body);
    open({ peerLogId: 'log-before', applied: 2 });
    expect(edge.take('entry').map((sent) => sent.body)).toEqual(['a', 'b', 'c']);
  });

  it('L8: an acknowledgement lets more batches go', () => {
    for (let made = 0; made < 5_000; made++) store.outboxes.control.append('x');
    open();
    expect(edge.take('entry')).toHaveLength(4_000);
    send({ type: 'ack', log: 'control', applied: 500 });
    clock.flush();
    expect(edge.take('entry')).toHaveLength(4_500);
    expect(store.outboxes.control.depth).toBe(4_500);
  });

  it('an acknowledgement that empties the outbox is followed by one status, any other by none', () => {
    for (const body of ['a', 'b', 'c']) store.outboxes.control.append(body);
    open();
    const statuses = (): number => edge.take('status').length;
    expect(statuses()).toBe(1);
    send({ type: 'ack', log: 'control', applied: 2 });
    clock.pass(STATUS_INTERVAL_MS);
    expect(statuses()).toBe(1);
    send({ type: 'ack', log: 'control', applied: 3 });
    clock.pass(STATUS_INTERVAL_MS);
    expect(statuses()).toBe(2);
    send({ type: 'ack', log: 'control', applied: 3 });
    clock.pass(STATUS_INTERVAL_MS);
    expect(statuses()).toBe(2);
  });

  it('L7: a newer session takes the log over: entries on the older socket are passed over', () => {
    open();
    const older = session;
    const olderEdge = edge;
    dial();
    open();
    older.receiveText(`[${edgeCodec.encode(entry(1))}]`);
    clock.flush();
    expect(olderEdge.take('ack')).toEqual([]);
    expect(store.inboxes.control.depth().pending).toBe(0);
    older.closed(1000, '');
    send(entry(1));
    clock.flush();
    expect(edge.take('ack')).toHaveLength(1);
  });

  it.each([
    { type: 'entry', log: 'queue', seq: 1, at: 1, body: '{}' } as const,
    { type: 'ack', log: 'queue', applied: 1 } as const,
  ])('L5: a log that welcome did not offer is malformed', (frame) => {
    const { control } = welcome().logs;
    send({ ...welcome(), logs: { control } });
    send(frame);
    expect(edge.closed).toMatchObject({ code: 4400, reason: expect.stringContaining('queue') });
  });

  it('a superseded process sends nothing of what its successor writes', () => {
    open();
    store.outboxes.control.append('the successor’s');
    vi.spyOn(store.sql, 'transaction').mockImplementation(() => {
      throw new LeaseLost('a newer process has taken the database over');
    });
    store.logs.wake();
    clock.flush();
    expect(edge.take('entry')).toEqual([]);
  });

  it('L3: a store that fails ends the session without an acknowledgement', () => {
    open();
    store.sql.run('DROP TABLE log_inbox');
    send(entry(1));
    clock.flush();
    expect(edge.take('ack')).toEqual([]);
    expect(edge.closed?.code).toBe(1011);
  });
});

describe('PROTOCOL: two logs', () => {
  const webhook = (seq: number): FrameToOrchestrator => entry(seq, { log: 'queue' });

  it('L4, L8: each has its own positions and acknowledgements', () => {
    open();
    send(entry(1), webhook(1), webhook(2));
    clock.flush();
    expect(edge.take('ack')).toEqual([
      { type: 'ack', log: 'control', applied: 1 },
      { type: 'ack', log: 'queue', applied: 2 },
    ]);
    expect(store.inboxes.queue.depth().pending).toBe(2);
  });

  it('a backlog of one that fills what may be in flight does not keep an entry of the other waiting', () => {
    for (let made = 0; made < 5_000; made++) store.outboxes.queue.append('x');
    open();
    store.outboxes.control.append('urgent');
    store.logs.wake();
    clock.flush();
    expect(edge.take('entry').filter(({ log }) => log === 'queue')).toHaveLength(4_000);
    expect(edge.take('entry').at(-1)).toMatchObject({ log: 'control', body: 'urgent' });
  });

  it('entries of control go before those of queue when both wait', () => {
    store.outboxes.queue.append('later');
    store.outboxes.control.append('first');
    open();
    expect(edge.take('entry').map(({ log }) => log)).toEqual(['control', 'queue']);
  });

  it('how far D1 is comes with the acknowledgement, and with the welcome', () => {
    for (const body of ['a', 'b', 'c']) store.outboxes.control.append(body);
    open({ projected: 1 });
    expect(store.outboxes.control.projected).toBe(1);
    send({ type: 'ack', log: 'control', applied: 3, projected: 2 });
    expect(store.outboxes.control.projected).toBe(2);
  });
});

describe('PROTOCOL: resync', () => {
  const ids = [1, 2, 3].map((n) => `cmd_vps-1_${String(n).padStart(22, '0')}`);

  it('ends what the edge knows as ended, frame by frame, and is over with the last one', () => {
    const awaits = markRestored(store.sql);
    open();
    send(resync({ finished: ids.slice(0, 2) }));
    expect(awaits()).toBe(true);
    send(resync({ finished: ids.slice(2), last: true }));
    expect(finish.mock.calls).toEqual([[ids.slice(0, 2)], [ids.slice(2)]]);
    expect(awaits()).toBe(false);
  });

  it('that is cut off is not over: the next session tells it from the beginning', () => {
    const awaits = markRestored(store.sql);
    open();
    send(resync({ finished: ids }));
    session.closed(1006, '');
    dial();
    expect(awaits()).toBe(true);
  });

  it('names what is lost for good: said, counted once, and kept', () => {
    open();
    const unrecoverable = [{ log: 'control' as const, from: 4, to: 9 }];
    for (const _ of [1, 2]) send(resync({ unrecoverable, last: true }));
    expect(store.losses.value).toEqual({ at: clock.now(), entries: 6 });
    expect(store.lines.filter((line) => line.includes('lost for good'))).toHaveLength(1);
  });

  it('L5: entries that the edge has deleted before they came are lost, too', () => {
    open();
    session.closed(1006, '');
    dial();
    open({ oldest: 4, last: 3 });
    expect(store.losses.value?.entries).toBe(3);
  });
});

describe('a store that fails while a session is open', () => {
  const fill = (): void => {
    const used = store.db.pragma('page_count', { simple: true });
    store.db.pragma(`max_page_count = ${used}`);
  };
  const room = (): void => void store.db.pragma('max_page_count = 1000000');
  const large = (seq: number): FrameToOrchestrator => entry(seq, { body: 'x'.repeat(60_000) });

  it('acknowledges nothing, keeps what has come, answers calls, and goes on by itself when there is room', async () => {
    open();
    fill();
    send(large(1), large(2), request(2));
    clock.flush();
    relayed[0]?.answer({});
    await settle();
    clock.pass(6_000);
    expect([edge.take('ack'), edge.closed]).toEqual([[], undefined]);
    expect(edge.take('response')).toHaveLength(1);
    send(large(3));
    room();
    clock.pass(2_000);
    expect(edge.take('ack')).toEqual([{ type: 'ack', log: 'control', applied: 3 }]);
    expect(store.db.pragma('integrity_check', { simple: true })).toBe('ok');
  });

  it('does not let the edge fill the memory: beyond what may be in flight the session ends, to be retried', () => {
    open();
    fill();
    for (let seq = 1; seq <= 40; seq++) {
      send(large(seq));
      clock.flush();
    }
    expect(edge.closed?.code).toBe(4429);
    expect(events.ended).toHaveBeenCalledWith(expect.objectContaining({ after: 'retry' }));
  });

  it('opens a session all the same, and writes down where the logs stand when it can', () => {
    store.outboxes.control.append('a');
    store.db.pragma('query_only = ON');
    open();
    expect([edge.closed, edge.take('entry')]).toEqual([undefined, []]);
    store.db.pragma('query_only = OFF');
    clock.pass(2_000);
    expect(edge.take('entry').map(({ body }) => body)).toEqual(['a']);
  });

  it('L11: keeps a resync until it can be written, and answers the probe behind it only then', () => {
    open();
    const awaits = markRestored(store.sql);
    store.db.pragma('query_only = ON');
    send(resync({ last: true }), { type: 'probe', n: 1 });
    send({ type: 'probe', n: 2 });
    expect([awaits(), edge.take('probe').map(({ n }) => n)]).toEqual([true, [2]]);
    store.db.pragma('query_only = OFF');
    clock.pass(2_000);
    expect(awaits()).toBe(false);
    expect(edge.take('probe').map(({ n }) => n)).toEqual([2, 1]);
  });

  it('L11: leaves a resync that it could not write to the next session, which is told it from the beginning', () => {
    open();
    const awaits = markRestored(store.sql);
    store.db.pragma('query_only = ON');
    send(resync({ last: true }));
    session.closed(1006, '');
    store.db.pragma('query_only = OFF');
    clock.pass(2_000);
    expect(awaits()).toBe(true);
  });
});
