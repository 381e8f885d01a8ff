import { type EntryToOrchestrator, edgeCodec, Failure, Inbox, type Sql } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../clock.fixture.ts';
import { dispatch, type Rooms } from '../dispatch.ts';
import { recordingLogger } from '../log.fixture.ts';
import { LeaseLost } from '../store/index.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import { InboxLoop } from './loop.ts';

const commandId = 'cmd_vps-1_0000000000000000000001';
const cancel = edgeCodec.encodeEntry({ type: 'cancel_command', commandId, reason: 'x' });

let sql: Sql;
let inbox: Inbox;
let clock: ManualClock;
let loop: InboxLoop;
let failWith: Error | undefined;
const commands = {
  accept: vi.fn<Rooms['commands']['accept']>(),
  cancel: vi.fn<Rooms['commands']['cancel']>(),
  cancelSite: vi.fn<Rooms['commands']['cancelSite']>(),
};
const settings = { remove: vi.fn<Rooms['settings']['remove']>() };
const publishStatus = vi.fn();
const onDispatched = vi.fn();
const onLeaseLost = vi.fn();

beforeEach(() => {
  vi.resetAllMocks();
  failWith = undefined;
  clock = new ManualClock();
  sql = createSql(new Sqlite(':memory:'));
  for (const migrate of MIGRATIONS) migrate(sql);
  inbox = new Inbox(sql, 'control');
  inbox.follow('log-edge', 1);
  const { log } = recordingLogger();
  loop = new InboxLoop({
    sql,
    inbox,
    dispatch: (entry: EntryToOrchestrator, item) => {
      if (failWith !== undefined) throw failWith;
      dispatch(entry, item, { commands, settings, publishStatus });
    },
    clock,
    log,
    onDispatched,
    onLeaseLost,
  });
});

function receive(...bodies: string[]): void {
  const first = inbox.position().applied + 1;
  inbox.receive(
    bodies.map((body, index) => ({ type: 'entry', log: 'control', seq: first + index, at: 1, body })),
  );
  loop.wake();
  clock.flush();
}

describe('InboxLoop', () => {
  it('hands entries on in order and takes them out, a turn after it was woken', () => {
    receive(cancel, edgeCodec.encodeEntry({ type: 'withdrawn', commandId }), cancel);
    expect(commands.cancel).toHaveBeenCalledTimes(2);
    expect(inbox.depth()).toEqual({ pending: 0, dead: 0 });
    expect(onDispatched).toHaveBeenCalledTimes(1);
  });

  it('hands the removal of a site to all rooms that know it, and the status tells of it', () => {
    receive(edgeCodec.encodeEntry({ type: 'remove_site', siteId: 'site-1' }));
    expect(commands.cancelSite).toHaveBeenCalledWith('site-1', 'the site was deleted');
    expect(settings.remove).toHaveBeenCalledWith('site-1');
    expect(publishStatus).toHaveBeenCalledTimes(1);
    expect(inbox.depth()).toEqual({ pending: 0, dead: 0 });
  });

  it.each([
    ['is not JSON', '{'],
    ['has no type', '{"commandId":"x"}'],
    ['is of a newer version', '{"type":"from_the_future"}'],
    ['does not match its schema', '{"type":"cancel_command"}'],
    [
      'asks for what this version does not do',
      edgeCodec.encodeEntry({
        type: 'webhook',
        receiptId: 'receipt-1',
        siteId: 'site-1',
        method: 'POST',
        url: '/',
        headers: [],
        receivedAt: 1,
        expiresAt: 2,
      }),
    ],
  ])(
    'L6: an entry that %s is a dead letter with its reason, and nothing behind it waits',
    (_what, poison) => {
      receive(poison, cancel);
      expect(inbox.depth()).toEqual({ pending: 0, dead: 1 });
      expect(sql.run(`SELECT error FROM log_inbox WHERE state = 'dead'`)[0]?.['error']).toBeTruthy();
      expect(commands.cancel).toHaveBeenCalledTimes(1);
    },
  );

  it('keeps everything while the store fails, and tries again', () => {
    failWith = new Error('disk I/O error');
    receive(cancel);
    expect(inbox.depth()).toEqual({ pending: 1, dead: 0 });
    failWith = undefined;
    clock.pass(5_000);
    expect(inbox.depth()).toEqual({ pending: 0, dead: 0 });
  });

  it('keeps an entry whose answer has no room in the log', () => {
    failWith = new Failure('log_full', 'full');
    receive(cancel);
    expect(inbox.depth()).toEqual({ pending: 1, dead: 0 });
  });

  it('ends when a newer process owns the database', () => {
    failWith = new LeaseLost('gone');
    receive(cancel);
    expect(onLeaseLost).toHaveBeenCalledWith(failWith);
    expect(clock.timers).toBe(0);
  });

  it('does nothing once it was stopped', () => {
    loop.wake();
    loop.stop();
    receive(cancel);
    expect(inbox.depth().pending).toBe(1);
  });
});
