import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandState } from '@clawdbot/protocol';
import type { Database } from 'better-sqlite3';
import { z } from 'zod';
import { currentDeployment, findVersion, Script } from '../../sandbox/cloudflare/store/records.ts';
import type { Rig } from '../rig.ts';
import { readCopy } from './copy.ts';
import type {
  D1,
  EdgeCommand,
  EdgeSide,
  Evidence,
  LogSide,
  SiteConfig,
  VpsCommand,
  VpsSide,
} from './evidence.ts';

/**
 * Reads both databases, D1 and what lies at Cloudflare, while the system runs on: first what is written last, so that
 * what is on its way is missing there, and never too much.
 */
export async function collect(rig: Rig): Promise<Evidence> {
  return { d1: await inD1(rig), edge: edgeSide(rig), vps: vpsSide(rig), ...atCloudflare(rig) };
}

export const edgeSide = (rig: Rig): EdgeSide =>
  readCopy(edgeFile(rig), (db) => ({ ...logSide(db), ...edgeFacts(db) }));
export const vpsSide = (rig: Rig): VpsSide =>
  readCopy(rig.vpsDatabase, (db) => ({ ...logSide(db), ...vpsFacts(db) }));

/** The database of lane 0's object: workerd names the file by the object's id, so it is known by whose it is. */
function edgeFile({ sandbox, file }: Rig): string {
  const dir = join(sandbox.layout.dir, 'edge/objects/channel');
  const files = readdirSync(dir).filter((name) => name.endsWith('.sqlite') && name !== 'metadata.sqlite');
  const mine = files
    .map((name) => join(dir, name))
    .find((path) => readCopy(path, ownerOf) === `${file.orchestratorId}/0`);
  if (mine === undefined) throw new Error(`no object of ${file.orchestratorId} in ${dir}`);
  return mine;
}

const ownerOf = (db: Database): unknown => {
  if (!hasTable(db, 'meta')) return undefined;
  return db.prepare(`SELECT value FROM meta WHERE key = 'orchestrator'`).pluck().get();
};

const hasTable = (db: Database, name: string): boolean =>
  db.prepare(`SELECT 1 FROM sqlite_master WHERE name = ?`).get(name) !== undefined;

const state = z.object({ log_id: z.string(), last: z.number(), acked: z.number() });

function logSide(db: Database): LogSide {
  const position = (direction: string) =>
    state.parse(db.prepare(`SELECT * FROM log_state WHERE log = 'control' AND direction = ?`).get(direction));
  const [out, taken] = [position('out'), position('in')];
  const inbox = db.prepare(`SELECT body FROM log_inbox WHERE log = 'control' AND state = ?`).pluck();
  return {
    written: { logId: out.log_id, at: out.last },
    taken: { logId: taken.log_id, at: taken.acked },
    acknowledged: out.acked,
    inbox: { pending: texts.parse(inbox.all('pending')), dead: texts.parse(inbox.all('dead')) },
    events: texts.parse(db.prepare(`SELECT id FROM events ORDER BY position`).pluck().all()),
    integrity: String(db.pragma('integrity_check', { simple: true })),
  };
}

const texts = z.array(z.string());

function edgeFacts(db: Database): Omit<EdgeSide, keyof LogSide> {
  const history = new Map<string, string[]>();
  const notes = `SELECT command_id AS id, value FROM command_history WHERE kind = 'state' ORDER BY command_id, n`;
  for (const { id, value } of z
    .array(z.object({ id: z.string(), value: z.string() }))
    .parse(db.prepare(notes).all()))
    history.set(id, [...(history.get(id) ?? []), value]);
  const commands = edgeCommands.parse(db.prepare(`SELECT * FROM commands ORDER BY seq`).all()).map(
    (row): EdgeCommand => ({
      id: row.id,
      type: row.type,
      siteId: row.site_id,
      state: row.state,
      seq: row.seq,
      key: row.idempotency_key,
      generation: row.generation,
      history: z.array(commandState).parse(history.get(row.id) ?? []),
    }),
  );
  const newest = `SELECT site_id, MAX(generation) AS generation, config FROM configs GROUP BY site_id`;
  return { commands, desired: configs.parse(db.prepare(newest).all()) };
}

const edgeCommands = z.array(
  z.object({
    id: z.string(),
    type: z.string(),
    site_id: z.string(),
    state: commandState,
    seq: z.number(),
    idempotency_key: z.string().nullable(),
    generation: z.number().nullable(),
  }),
);

const configs = z.array(
  z.object({ site_id: z.string(), generation: z.number(), config: z.string() }).transform(
    ({ site_id: siteId, generation, config }): SiteConfig => ({
      siteId,
      generation,
      edit: edited.parse(JSON.parse(config)).worker.vars['EDIT'] ?? null,
    }),
  ),
);
const edited = z.object({ worker: z.object({ vars: z.record(z.string(), z.string()) }) });

function vpsFacts(db: Database): Omit<VpsSide, keyof LogSide> {
  const taken = `SELECT * FROM commands WHERE origin = 'edge' ORDER BY position`;
  const running = `SELECT site_id, generation, config FROM settings WHERE config IS NOT NULL`;
  const rows = `SELECT key, row ->> 'name' AS name FROM shared_rows WHERE table_name = 'customers' AND row IS NOT NULL`;
  return {
    commands: vpsCommands.parse(db.prepare(taken).all()),
    running: configs.parse(db.prepare(running).all()),
    rows: new Map(sharedRows.parse(db.prepare(rows).all()).map(({ key, name }) => [key, name])),
    told: toldIn(texts.parse(db.prepare(`SELECT body FROM log_outbox WHERE log = 'control'`).pluck().all())),
  };
}

const sharedRows = z.array(z.object({ key: z.string(), name: z.string() }));

const vpsCommands = z.array(
  z
    .object({
      id: z.string(),
      seq: z.number(),
      log_id: z.string(),
      state: z.string(),
      outcome: z.string().nullable(),
    })
    .transform(
      ({ id, seq, log_id: logId, state, outcome }): VpsCommand => ({
        id,
        seq,
        logId,
        state,
        outcome: outcome === null ? null : ended.parse(JSON.parse(outcome)).state,
      }),
    ),
);
const ended = z.object({ state: commandState });

/** Sent entries stay for a day: long enough to count. */
function toldIn(bodies: readonly string[]): Map<string, number> {
  const told = new Map<string, number>();
  for (const body of bodies) {
    const { type, commandId, milestone } = entry.parse(JSON.parse(body));
    if (type === 'command_result') count(told, `${commandId} ended`);
    if (milestone === 'uploaded') count(told, `${commandId} uploaded`);
  }
  return told;
}
const entry = z.object({
  type: z.string(),
  commandId: z.string().optional(),
  milestone: z.string().optional(),
});

async function inD1({ database, file }: Rig): Promise<D1> {
  const [commands = [], events = [], customers = []] = await database.batch([
    { sql: 'SELECT id, state FROM orc_commands WHERE orchestrator_id = ?', params: [file.orchestratorId] },
    {
      sql: 'SELECT id FROM orc_events WHERE orchestrator_id = ? ORDER BY position',
      params: [file.orchestratorId],
    },
    { sql: 'SELECT id, name FROM customers WHERE agency_id = ?', params: [file.orgId] },
  ]);
  return {
    commands: new Map(commands.map(({ id, state }) => [String(id), String(state)])),
    events: events.map(({ id }) => String(id)),
    rows: new Map(customers.map(({ id, name }) => [String(id), String(name)])),
  };
}

/** What was uploaded, as the stand-in has written it down: its files are replaced as a whole. */
function atCloudflare({ sandbox }: Rig): Pick<Evidence, 'versions' | 'carried' | 'serving'> {
  const dir = join(sandbox.layout.dir, 'cloudflare/scripts');
  const files = readdirSync(dir).filter((name) => name.endsWith('.json'));
  const scripts = files.map((name) => Script.parse(JSON.parse(readFileSync(join(dir, name), 'utf8'))));
  const versions = new Map<string, number>();
  const carried = new Map<string, string | null>();
  const serving = new Map<string, string>();
  for (const script of scripts) {
    for (const { annotations, bindings } of script.versions) {
      const commandId = annotations['workers/tag'] ?? '';
      count(versions, commandId);
      const edit = bindings.find(({ name }) => name === 'EDIT');
      carried.set(commandId, edit?.type === 'plain_text' ? edit.text : null);
    }
    const [first] = currentDeployment(script).versions;
    const version = first && findVersion(script, first.versionId);
    serving.set(script.name, version?.annotations['workers/tag'] ?? '');
  }
  return { versions, carried, serving };
}

const count = (counts: Map<string, number>, key: string): void =>
  void counts.set(key, (counts.get(key) ?? 0) + 1);
