import { PARCEL_KEPT_MS } from '@clawdbot/protocol';
import { hexOf, randomBytes } from '../bytes.ts';
import type { Cipher } from '../cipher.ts';
import { Blobs } from './blobs.ts';
import { CommandQueue } from './command-queue.ts';
import { CommandRecall } from './command-recall.ts';
import { Commands } from './commands.ts';
import { ConfigHistory } from './config-history.ts';
import { ConfigReports } from './config-reports.ts';
import { Configs } from './configs.ts';
import { Deployments } from './deployments.ts';
import { EventProjection } from './event-projection.ts';
import { Events } from './events.ts';
import { Letters } from './letters.ts';
import { openLogs } from './logs.ts';
import { MoveBook } from './move/book.ts';
import { Parcels } from './parcels.ts';
import { PresenceBook } from './presence.ts';
import { ReceiptSearch } from './receipt-search.ts';
import { Receipts } from './receipts.ts';
import { RemoteLetters } from './remote-letters.ts';
import { State } from './state.ts';
import { Meta, migrate, objectSql } from './store.ts';
import { WorkerVars } from './worker-vars.ts';

export type Facts = ReturnType<typeof openFacts>;

/** What the object's database holds, and the classes that know its tables. */
export function openFacts({ id, storage }: Pick<DurableObjectState, 'id' | 'storage'>, cipher: Cipher) {
  const sql = objectSql(storage);
  migrate(sql);
  const now = Date.now;
  const meta = new Meta(sql);
  const { orchestratorId, lane } = nameOf(id, meta);
  const newLogId = () => hexOf(randomBytes(16));
  const logs = openLogs({ sql, now, newLogId });
  const moves = new MoveBook(sql, now);
  const configs = new Configs(sql, (siteId) => moves.elsewhere(siteId) !== undefined);
  const reports = new ConfigReports(sql, now);
  const projection = new EventProjection({ sql, meta, inbox: logs.control.inbox, now });
  const presence = new PresenceBook(meta, now);
  const remoteLetters = new RemoteLetters({ sql, meta, logs, orchestratorId });
  const parcels = new Parcels(storage.sql, cipher);
  const receipts = new Receipts({
    ...{ sql, meta, parcels, now },
    keepMs: (siteId) => keepMsOf(configs, siteId),
  });
  const letters = new Letters({ logs, remote: remoteLetters, orchestratorId });
  return {
    sql,
    now,
    random: randomBytes,
    newLogId,
    meta,
    orchestratorId,
    lane,
    orgId: () => meta.text('org'),
    logs,
    blobs: new Blobs(storage.sql),
    moves,
    configs,
    reports,
    history: new ConfigHistory({ sql, configs, reports }),
    workerVars: new WorkerVars({ sql, configs, reports }),
    commands: new Commands(sql, orchestratorId, now),
    commandQueue: new CommandQueue({ sql, outbox: logs.control.outbox, now }),
    deployments: new Deployments(sql, orchestratorId),
    recall: new CommandRecall(sql),
    projection,
    events: new Events({ sql, configs, projection, orchestratorId, now }),
    presence,
    remoteLetters,
    letters,
    parcels,
    receipts,
    receiptSearch: new ReceiptSearch({ sql, parcels }),
    state: new State({ orchestratorId, meta, logs, letters, events: projection, presence, receipts }),
  };
}

/** By the desired config: an admin's word counts, whatever the VPS has made of it. */
const keepMsOf = (configs: Configs, siteId: string): number =>
  configs.find(siteId)?.config.receipts?.keepMs ?? PARCEL_KEPT_MS;

/** `<orchestrator>/<lane>`; kept, because an object woken by an alarm may not be told its name. */
function nameOf(id: DurableObjectId, meta: Meta): { orchestratorId: string; lane: number } {
  const name = id.name ?? meta.text('orchestrator');
  const [orchestratorId, lane] = name?.split('/') ?? [];
  if (name === undefined || orchestratorId === undefined || lane === undefined) {
    throw new Error('a Channel object is named <orchestrator>/<lane>');
  }
  if (meta.text('orchestrator') === undefined) meta.set('orchestrator', name);
  return { orchestratorId, lane: Number(lane) };
}
