import { int, type SqlRow, text, type WorkerStatus, workerStatus } from '@clawdbot/protocol';
import { type Deployment, facts, stepOf } from './state.ts';

export const optional = (row: SqlRow, column: string): string | undefined => {
  const value = row[column];
  return typeof value === 'string' ? value : undefined;
};

function jsonIn(row: SqlRow, column: string): unknown {
  const value = optional(row, column);
  return value === undefined ? undefined : JSON.parse(value);
}

/** One of an earlier version has no facts, but the time at which it was begun. */
export const deploymentOf = (row: SqlRow): Deployment => ({
  commandId: text(row, 'command_id'),
  siteId: text(row, 'site_id'),
  name: text(row, 'name'),
  step: stepOf(row['state']),
  facts: facts.parse(
    optional(row, 'facts') === undefined
      ? { receipts: { intended: { at: int(row, 'started_at') } } }
      : JSON.parse(text(row, 'facts')),
  ),
});

export const statusOf = (row: SqlRow): WorkerStatus =>
  workerStatus.parse({
    name: row['name'],
    siteId: optional(row, 'site_id'),
    url: optional(row, 'url'),
    versionId: optional(row, 'version_id'),
    proof: optional(row, 'proof'),
    drift: optional(row, 'drift'),
    state: row['state'],
    at: row['at'],
    lookedAt: jsonIn(row, 'looked_at'),
  });
