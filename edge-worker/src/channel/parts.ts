import { Inbox, Outbox, type Presence, type Status } from '@clawdbot/protocol';
import { randomBytes } from '../bytes.ts';
import { Blobs } from './blobs.ts';
import { Commands } from './commands.ts';
import { Configs } from './configs.ts';
import { Control } from './control.ts';
import { Lane } from './lane.ts';
import { PresenceBook } from './presence.ts';
import { Projector } from './projector.ts';
import type { Connected } from './session.ts';
import { Meta, migrate, objectSql } from './store.ts';

export interface PartsOptions {
  readonly ctx: DurableObjectState;
  readonly db: D1Database;
  readonly sessions: () => Connected[];
  readonly publish: (
    orgId: string,
    orchestratorId: string,
    presence: Presence,
    status: Status | undefined,
  ) => void;
}

export type Parts = ReturnType<typeof openParts>;

/** Opens the object's database and puts its parts together: what the runtime gives goes in here, once. */
export function openParts({ ctx, db, sessions, publish }: PartsOptions) {
  const sql = objectSql(ctx.storage);
  migrate(sql);
  const now = Date.now;
  const meta = new Meta(sql);
  const { orchestratorId, lane: number } = nameOf(ctx, meta);
  const outbox = new Outbox({ sql, log: 'control', now, newLogId: () => crypto.randomUUID() });
  const inbox = new Inbox(sql, 'control');
  const blobs = new Blobs(ctx.storage.sql);
  const configs = new Configs(sql);
  const commands = new Commands(sql, orchestratorId, now);
  const control = new Control({
    sql,
    outbox,
    inbox,
    commands,
    configs,
    blobs,
    orchestratorId,
    now,
    random: randomBytes,
  });
  const orgId = () => meta.text('org');
  const projector = new Projector({ commands, orchestratorId, orgId, db });
  const lane = new Lane({
    orchestratorId,
    lane: number,
    meta,
    outbox,
    inbox,
    control,
    configs,
    blobs,
    now,
    random: randomBytes,
    sessions,
    presence: new PresenceBook(meta, now),
    publish: (presence, status) => {
      const org = orgId();
      if (org !== undefined) publish(org, orchestratorId, presence, status);
    },
  });
  return { sql, meta, configs, commands, control, projector, lane };
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
