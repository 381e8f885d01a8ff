/** Rows of the tables that `Records` keeps, as they are read. */
import {
  int,
  type LookedAt,
  lookedAt,
  type SqlRow,
  text,
  type WorkerStatus,
  workerStatus,
} from '@clawdbot/protocol';
import { z } from 'zod';
import { type Deployment, facts, stepOf } from './state.ts';

/** A Worker as this orchestrator has deployed it. */
export interface KnownWorker {
  /** Whose it is; nobody's when that site was deleted. */
  readonly siteId: string | undefined;
  readonly url: string | undefined;
  readonly isDeployed: boolean;
  /** That was deployed from here last. */
  readonly versionId: string | undefined;
  /** The routes it was given last, as JSON; undefined when none ever. */
  readonly routes: string | undefined;
  readonly domains: string | undefined;
  /** What somebody has changed outside since. */
  readonly drift: string | undefined;
  /** What its health is looked at by, if anybody said. */
  readonly lookedAt: LookedAt | undefined;
}

/** A Worker of which it is looked whether it still serves what was deployed. */
export interface Checked {
  readonly name: string;
  readonly siteId: string;
  readonly versionId: string;
  readonly drift: string | undefined;
  /** All route patterns that it was given, if any were; and the host names, beside which there may be others. */
  readonly routes: readonly string[] | undefined;
  readonly domains: readonly string[];
}

const optional = (row: SqlRow, column: string): string | undefined => {
  const value = row[column];
  return typeof value === 'string' ? value : undefined;
};

const listIn = (row: SqlRow, column: string): string[] | undefined => {
  const list = optional(row, column);
  return list === undefined ? undefined : z.array(z.string()).parse(JSON.parse(list));
};

export const knownOf = (row: SqlRow): KnownWorker => ({
  siteId: optional(row, 'site_id'),
  url: optional(row, 'url'),
  isDeployed: row['version_id'] !== null,
  versionId: optional(row, 'version_id'),
  routes: optional(row, 'routes'),
  domains: optional(row, 'domains'),
  drift: optional(row, 'drift'),
  lookedAt: lookedAt.optional().parse(jsonIn(row, 'looked_at')),
});

export const checkedOf = (row: SqlRow): Checked => ({
  name: text(row, 'name'),
  siteId: text(row, 'site_id'),
  versionId: text(row, 'version_id'),
  drift: optional(row, 'drift'),
  routes: listIn(row, 'routes'),
  domains: listIn(row, 'domains') ?? [],
});

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
