import { hexOf, randomBytes } from '../bytes.ts';
import type { HubUpdate } from '../hub/rpc.ts';
import { Alarm } from './alarm.ts';
import { Blobs } from './blobs.ts';
import { Chore } from './chore.ts';
import { CommandNews } from './command-news.ts';
import { CommandProjection } from './command-projection.ts';
import { CommandRecall } from './command-recall.ts';
import { Commands } from './commands.ts';
import { Configs } from './configs.ts';
import { Control } from './control.ts';
import { EventProjection } from './event-projection.ts';
import { Events } from './events.ts';
import { Greeting } from './greeting.ts';
import { Handling } from './handling.ts';
import { Lane } from './lane.ts';
import { Letters } from './letters.ts';
import { openLogs } from './logs.ts';
import { PresenceBook } from './presence.ts';
import { Projector } from './projector.ts';
import { RemoteLetters } from './remote-letters.ts';
import { Resync } from './resync.ts';
import type { Connected } from './session.ts';
import { SharedRows } from './shared-rows.ts';
import { State } from './state.ts';
import { type ChoreName, Meta, migrate, objectSql } from './store.ts';
import { Telling } from './telling.ts';
import { after } from './timer.ts';

export interface PartsOptions {
  readonly ctx: DurableObjectState;
  readonly db: D1Database;
  readonly sessions: () => Connected[];
  /** Tells the organisation's Hub. */
  readonly publish: (orgId: string, update: HubUpdate) => Promise<void>;
}

export type Parts = ReturnType<typeof openParts>;

/** Opens the object's database and puts its parts together: what the runtime gives goes in here, once. */
export function openParts({ ctx, db, sessions, publish }: PartsOptions) {
  const sql = objectSql(ctx.storage);
  migrate(sql);
  const now = Date.now;
  const meta = new Meta(sql);
  const { orchestratorId, lane: number } = nameOf(ctx, meta);
  const newLogId = () => hexOf(randomBytes(16));
  const logs = openLogs({ sql, now, newLogId });
  const { outbox, inbox } = logs.control;
  const blobs = new Blobs(ctx.storage.sql);
  const configs = new Configs(sql);
  const commands = new Commands(sql, orchestratorId, now);
  const control = new Control({
    sql,
    outbox,
    commands,
    configs,
    blobs,
    orchestratorId,
    now,
    random: randomBytes,
  });
  const orgId = () => meta.text('org');
  const eventProjection = new EventProjection({ sql, meta, inbox, now });
  const events = new Events({ sql, configs, projection: eventProjection, orchestratorId, now });
  const sharedRows = new SharedRows({
    sql,
    meta,
    outbox,
    orchestratorId,
    orgId,
    db,
    now,
    onAppended: () => {
      lane.pump();
      telling.note('logs');
    },
  });
  const projector = new Projector({
    projections: [new CommandProjection(commands), eventProjection],
    orchestratorId,
    orgId,
    db,
    onWritten: () => {
      lane.tellProjected();
      telling.note('logs');
    },
  });
  const alarm = new Alarm(ctx.storage);
  const chore = (name: ChoreName, work: () => Promise<void>) =>
    new Chore({
      name,
      work,
      meta,
      now,
      background: (task) => ctx.waitUntil(task),
      wakeAt: (at) => alarm.by(at),
    });
  const chores = {
    projection: chore('projection', () => projector.drain()),
    sharedRows: chore('shared_rows', () => sharedRows.drain()),
  };
  const presence = new PresenceBook(meta, now);
  const remote = new RemoteLetters({ sql, meta, logs, orchestratorId });
  const letters = new Letters({ logs, remote, orchestratorId });
  const state = new State({ orchestratorId, meta, logs, letters, events: eventProjection, presence });
  const handling = new Handling({ sql, logs, commands, events, letters: remote, blobs, now });
  const recall = new CommandRecall(sql);
  const resync = new Resync({
    sql,
    logs,
    commands,
    recall,
    configs,
    control,
    blobs,
    letters: remote,
    now,
    ran: (siteId) => state.running(siteId)?.generation,
    shareAgain: () => sharedRows.restart(),
  });
  const telling = new Telling({
    orchestratorId,
    meta,
    state,
    commands,
    news: new CommandNews(sql, orchestratorId),
    events,
    presence: () => presence.current,
    now,
    after,
    publish: async (update) => {
      const org = orgId();
      if (org !== undefined) await publish(org, update);
    },
  });
  const lane = new Lane({
    orchestratorId,
    lane: number,
    sql,
    meta,
    logs,
    control,
    handling,
    greeting: new Greeting({
      meta,
      logs,
      recall,
      control,
      events: eventProjection,
      letters: remote,
      resync,
      now,
      newLogId,
    }),
    configs,
    blobs,
    events: eventProjection,
    presence,
    now,
    random: randomBytes,
    sessions,
    onConnected: () => chores.sharedRows.start(),
    onNews: (news) => telling.note(news),
  });
  return {
    sql,
    meta,
    logs,
    configs,
    commands,
    events,
    letters,
    control,
    handling,
    sharedRows,
    chores,
    alarm,
    state,
    telling,
    lane,
  };
}

/** `<orchestrator>/<lane>`; kept, because an object woken by an alarm may not be told its name. */
function nameOf(ctx: DurableObjectState, meta: Meta): { orchestratorId: string; lane: number } {
  const name = ctx.id.name ?? meta.text('orchestrator');
  const [orchestratorId, lane] = name?.split('/') ?? [];
  if (name === undefined || orchestratorId === undefined || lane === undefined) {
    throw new Error('a Channel object is named <orchestrator>/<lane>');
  }
  if (meta.text('orchestrator') === undefined) meta.set('orchestrator', name);
  return { orchestratorId, lane: Number(lane) };
}
