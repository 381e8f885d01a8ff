import { Inbox, type LogName, Outbox, type Sql } from '@clawdbot/protocol';

/** A durable log of this orchestrator, in both directions. */
export interface DurableLog {
  readonly name: LogName;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
}

export type Logs = Readonly<Record<LogName, DurableLog>>;

/** Commands before stored requests: an operator's word does not wait behind a backlog of customers'. */
export const LOGS_IN_ORDER: readonly LogName[] = ['control', 'queue'];

export interface LogsOptions {
  readonly sql: Sql;
  readonly now: () => number;
  readonly newLogId: () => string;
}

export function openLogs({ sql, now, newLogId }: LogsOptions): Logs {
  const open = (name: LogName): DurableLog => ({
    name,
    outbox: new Outbox({ sql, log: name, now, newLogId }),
    inbox: new Inbox(sql, name),
  });
  return { control: open('control'), queue: open('queue') };
}
