/** What a link or a session stands on: both logs over an empty database in memory. */
import { type Hello, Inbox, type LogName, Outbox, type Sql } from '@clawdbot/protocol';
import Sqlite, { type Database } from 'better-sqlite3';
import type { Clock } from '../clock.ts';
import { recordingLogger } from '../log.fixture.ts';
import { awaitsResync, createSql, endRestore } from '../store/index.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import { DurableLog, DurableLogs, Losses, Resync } from './index.ts';

export interface TestLogs {
  readonly db: Database;
  readonly sql: Sql;
  readonly outboxes: Readonly<Record<LogName, Outbox>>;
  readonly inboxes: Readonly<Record<LogName, Inbox>>;
  readonly logs: DurableLogs;
  readonly losses: Losses;
  readonly resync: Resync;
  readonly lines: string[];
}

export interface TestLogsOptions {
  readonly clock: Clock;
  readonly onCommitted?: () => void;
  readonly onEmptied?: () => void;
  readonly finish?: (commandIds: readonly string[]) => number;
  readonly onResynced?: () => void;
}

/** The logs are called `log-orchestrator` and `queue-orchestrator`. */
export function createTestLogs({ clock, ...on }: TestLogsOptions): TestLogs {
  const db = new Sqlite(':memory:');
  const sql = createSql(db);
  for (const migrate of MIGRATIONS) migrate(sql);
  const { log, lines } = recordingLogger();
  const losses = new Losses(sql, clock.now, log);
  const lose = losses.record.bind(losses);
  const outboxOf = (name: LogName, logId: string) =>
    new Outbox({
      ...{ sql, log: name, now: clock.now, newLogId: () => logId },
      ...{ lazyPositions: true, gather: true },
    });
  const outboxes = {
    control: outboxOf('control', 'log-orchestrator'),
    queue: outboxOf('queue', 'queue-orchestrator'),
  };
  const inboxes = { control: new Inbox(sql, 'control'), queue: new Inbox(sql, 'queue') };
  const durableLog = (name: LogName) =>
    new DurableLog({
      ...{ name, sql, clock, log, lose },
      inbox: inboxes[name],
      outbox: outboxes[name],
      file: '/data/orchestrator.db',
      onCommitted: on.onCommitted ?? (() => {}),
      onEmptied: on.onEmptied ?? (() => {}),
    });
  const resync = new Resync({
    ...{ sql, clock, log, lose },
    finish: on.finish ?? ((commandIds) => commandIds.length),
    complete: () => endRestore(sql),
    onComplete: on.onResynced ?? (() => {}),
  });
  const logs = new DurableLogs(durableLog('control'), durableLog('queue'));
  return { db, sql, outboxes, inboxes, logs, losses, resync, lines };
}

/** Makes it a restored database. */
export function markRestored(sql: Sql): () => boolean {
  sql.run(`INSERT INTO meta VALUES ('restored', '1')`);
  return () => awaitsResync(sql);
}

/** What a process says first, standing where its logs do. */
export const helloOf = (logs: Pick<DurableLogs, 'positions'>, clockMs: number): Hello => ({
  type: 'hello',
  protocol: [1],
  orchestratorId: 'vps-1',
  lane: 0,
  lanes: 1,
  generation: 1,
  instanceId: 'instance-1',
  version: '0',
  capabilities: [],
  clockMs,
  logs: logs.positions(),
  sites: [],
});
