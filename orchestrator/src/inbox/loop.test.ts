import {
  type EntryToEdge,
  type EntryToOrchestrator,
  edgeCodec,
  Failure,
  HANDLING_ATTEMPTS_MAX,
  Inbox,
  LOG_ENTRIES_MAX,
  type LogName,
  Outbox,
  type Sql,
} from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../clock.fixture.ts';
import { dispatch, type Rooms } from '../dispatch.ts';
import { recordingLogger } from '../log.fixture.ts';
import { LeaseLost } from '../store/index.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import { DeadLetters } from './letters.ts';
import { InboxLoop } from './loop.ts';

const commandId = 'cmd_vps-1_0000000000000000000001';
const cancel = edgeCodec.encodeEntry({ type: 'cancel_command', commandId, reason: 'x' });

let sql: Sql;
let inbox: Inbox;
let inboxes: Record<LogName, Inbox>;
let letters: DeadLetters;
let clock: ManualClock;
let loop: InboxLoop;
let failWith: Error | undefined;
/** Sites whose removal fails, and how. */
let poisoned: Map<string, Error>;
const commands = {
  accept: vi.fn<Rooms['commands']['accept']>(),
  cancel: vi.fn<Rooms['commands']['cancel']>(),
  cancelSite: vi.fn<Rooms['commands']['cancelSite']>(),
};
const settings = { remove: vi.fn<Rooms['settings']['remove']>() };
const shared = { apply: vi.fn<Rooms['shared']['apply']>() };
const publishStatus = vi.fn();
const onDispatched = vi.fn();
const onLeaseLost = vi.fn();

beforeEach(() => {
  vi.resetAllMocks();
  failWith = undefined;
  poisoned = new Map();
  clock = new ManualClock();
  sql = createSql(new Sqlite(':memory:'));
  for (const migrate of MIGRATIONS) migrate(sql);
  inbox = new Inbox(sql, 'control');
  inboxes = { control: inbox, queue: new Inbox(sql, 'queue') };
  inbox.follow({ logId: 'log-edge', oldest: 1 });
  inboxes.queue.follow({ logId: 'queue-edge', oldest: 1 });
  const { log } = recordingLogger();
  const outbox = new Outbox({ sql, log: 'control', now: clock.now, newLogId: () => 'log-orchestrator' });
  letters = new DeadLetters({ sql, inboxes, outbox, now: clock.now, log, onChange: () => loop.wake() });
  loop = new InboxLoop({
    sql,
    inboxes,
    letters,
    dispatch: (entry: EntryToOrchestrator, item) => {
      const fault = entry.type === 'remove_site' ? poisoned.get(entry.siteId) : undefined;
      if (failWith !== undefined) throw failWith;
      const deliveries = { accept: () => {}, removeSite: () => {} };
      dispatch(entry, item, {
        commands,
        settings,
        shared,
        letters,
        deliveries,
        releaseWorkers: () => {},
        publishStatus,
      });
      if (fault !== undefined) throw fault;
    },
    clock,
    log,
    onDispatched,
    onLeaseLost,
  });
});

function receive(...bodies: string[]): void {
  receiveFrom('control', bodies);
}

function receiveFrom(log: LogName, bodies: readonly string[]): void {
  const first = inboxes[log].position().applied + 1;
  inboxes[log].receive(
    bodies.map((body, index) => ({ type: 'entry', log, seq: first + index, at: 1, body })),
  );
  loop.wake();
  clock.flush();
}

const remove = (siteId: string): string => edgeCodec.encodeEntry({ type: 'remove_site', siteId });
const removed = (): string[] => settings.remove.mock.calls.map(([siteId]) => siteId);
const act = (action: 'replay' | 'drop', seq: number): string =>
  edgeCodec.encodeEntry({
    ...{ type: 'dead_letter_action', log: 'control', logId: 'log-edge', seq, action, actor: 'ann' },
  });

/** What the edge is told, as `<seq> <state>`. */
function told(): string[] {
  return sql.run('SELECT body FROM log_outbox ORDER BY seq').map((row) => {
    const decoded = edgeCodec.decodeEntry(String(row['body']));
    const entry: EntryToEdge | undefined = 'error' in decoded ? undefined : decoded.body;
    return entry?.type === 'dead_letter' ? `${entry.seq} ${entry.state}` : 'another entry';
  });
}

const fillLog = (rows: number): void =>
  void sql.run(`UPDATE log_state SET rows = ? WHERE direction = 'out' AND log = 'control'`, rows);

/** Lets all attempts at handling go by. */
function exhaust(): void {
  for (let attempt = 0; attempt < HANDLING_ATTEMPTS_MAX; attempt++) clock.pass(60_000);
}

describe('InboxLoop', () => {
  it('hands entries on in order and takes them out, a turn after it was woken', () => {
    receive(cancel, edgeCodec.encodeEntry({ type: 'withdrawn', commandId }), cancel);
    expect(commands.cancel).toHaveBeenCalledTimes(2);
    expect(inbox.depth()).toMatchObject({ pending: 0, dead: 0 });
    expect(onDispatched).toHaveBeenCalledTimes(1);
  });

  it('hands the removal of a site to all rooms that know it, and the status tells of it', () => {
    receive(edgeCodec.encodeEntry({ type: 'remove_site', siteId: 'site-1' }));
    expect(commands.cancelSite).toHaveBeenCalledWith('site-1', 'the site was deleted');
    expect(settings.remove).toHaveBeenCalledWith('site-1');
    expect(publishStatus).toHaveBeenCalledTimes(1);
    expect(inbox.depth()).toMatchObject({ pending: 0, dead: 0 });
  });

  it.each([
    ['is not JSON', '{'],
    ['has no type', '{"commandId":"x"}'],
    ['is of a newer version', '{"type":"from_the_future"}'],
    ['does not match its schema', '{"type":"cancel_command"}'],
  ])(
    'L6: an entry that %s is a dead letter with its reason, and nothing behind it waits',
    (_what, poison) => {
      receive(poison, cancel);
      expect(inbox.depth()).toMatchObject({ pending: 0, dead: 1 });
      expect(sql.run(`SELECT error FROM log_inbox WHERE state = 'dead'`)[0]?.['error']).toBeTruthy();
      expect(commands.cancel).toHaveBeenCalledTimes(1);
    },
  );

  it('keeps everything while the store fails, and tries again', () => {
    failWith = Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_WRITE' });
    receive(cancel);
    expect(inbox.depth()).toMatchObject({ pending: 1, dead: 0 });
    failWith = undefined;
    clock.pass(5_000);
    expect(inbox.depth()).toMatchObject({ pending: 0, dead: 0 });
  });

  it('keeps an entry whose answer has no room in the log', () => {
    failWith = new Failure('log_full', 'full');
    receive(cancel);
    expect(inbox.depth()).toMatchObject({ pending: 1, dead: 0 });
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

describe('entries that cannot be handled', () => {
  it('are tried again later, and what is behind them in the same log goes on at once, in order', () => {
    poisoned.set('site-2', new Error('a fault of ours'));
    receive(remove('site-1'), remove('site-2'), remove('site-3'));
    expect(inbox.depth()).toMatchObject({ pending: 1, dead: 0 });
    poisoned.clear();
    settings.remove.mockClear();
    clock.pass(2_000);
    expect(removed()).toEqual(['site-2']);
    expect([inbox.depth().pending, told()]).toEqual([0, []]);
  });

  it(`are dead letters after ${HANDLING_ATTEMPTS_MAX} failures, and the edge is told once`, () => {
    poisoned.set('site-1', new Error('a fault of ours'));
    receive(remove('site-1'));
    exhaust();
    expect(removed()).toHaveLength(HANDLING_ATTEMPTS_MAX);
    expect(letters.list(10)).toMatchObject([{ log: 'control', seq: 1, error: 'a fault of ours' }]);
    expect(told()).toEqual(['1 dead']);
    expect(clock.timers).toBe(0);
  });

  it('are tried again after a failure that passes, and are dead at once after one that does not', () => {
    poisoned.set('site-1', new Failure('overloaded', 'later'));
    poisoned.set('site-2', new Failure('bad_request', 'never'));
    receive(remove('site-1'), remove('site-2'));
    expect(inbox.depth()).toMatchObject({ pending: 1, dead: 1 });
    expect(told()).toEqual(['2 dead']);
  });

  it('of one log keep nothing of the other waiting', () => {
    poisoned.set('site-1', new Error('a fault of ours'));
    receiveFrom('queue', [remove('site-1'), remove('site-2')]);
    receive(remove('site-3'));
    expect(removed().filter((site) => site !== 'site-1')).toEqual(['site-2', 'site-3']);
    exhaust();
    expect(letters.list(10)).toMatchObject([{ log: 'queue', logId: 'queue-edge', seq: 1 }]);
  });

  it('leave nothing behind of what they had written', () => {
    settings.remove.mockImplementation((siteId) => void sql.run(`INSERT INTO meta VALUES (?, '')`, siteId));
    poisoned.set('site-1', new Error('a fault of ours'));
    receive(remove('site-1'), remove('site-2'));
    expect(sql.run(`SELECT key FROM meta WHERE key LIKE 'site-%'`)).toEqual([{ key: 'site-2' }]);
  });
});

describe('dead letters', () => {
  beforeEach(() => {
    receive('{', '{', remove('site-1'));
  });

  it('are handled once more when the edge asks for it, and it is told how that went', () => {
    sql.run(`UPDATE log_inbox SET body = ? WHERE seq = 1`, remove('site-9'));
    receive(act('replay', 1), act('replay', 2));
    expect(removed()).toEqual(['site-1', 'site-9']);
    expect(told()).toEqual(['1 dead', '2 dead', '1 handled', '2 dead']);
  });

  it('are dropped when the edge asks for it, and asked again it is told that there is none', () => {
    receive(act('drop', 1), act('drop', 1));
    expect(letters.list(10).map(({ seq }) => seq)).toEqual([2]);
    expect(told()).toEqual(['1 dead', '2 dead', '1 dropped', '1 dropped']);
  });

  it('are listed page by page, of both logs, and settled on this machine too', () => {
    receiveFrom('queue', ['{']);
    const [first] = letters.list(1);
    if (first === undefined) throw new Error('there is no dead letter');
    expect(letters.list(10, first).map(({ log, seq }) => `${log} ${seq}`)).toEqual(['control 2', 'queue 1']);
    expect([letters.drop(first), letters.drop(first), letters.replay(first)]).toEqual([true, false, false]);
    expect(told().at(-1)).toBe('1 dropped');
  });

  it('are told of when the log has room again, each with its last state', () => {
    fillLog(LOG_ENTRIES_MAX);
    receive('{', '{');
    const [, , third] = letters.list(10);
    if (third === undefined) throw new Error('there is no dead letter');
    letters.drop(third);
    letters.tell();
    expect(told()).toEqual(['1 dead', '2 dead']);
    fillLog(2);
    letters.tell();
    expect(told()).toEqual(['1 dead', '2 dead', '4 dropped', '5 dead']);
    letters.tell();
    expect(told()).toHaveLength(4);
  });

  it('that were given up for want of room are told of as dropped', () => {
    sql.run(`DELETE FROM log_inbox WHERE seq = 1`);
    letters.tell();
    letters.tell();
    expect(told()).toEqual(['1 dead', '2 dead', '1 dropped']);
  });
});
