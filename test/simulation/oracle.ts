import type { Cloudflare } from './cloudflare.ts';
import type { EdgeMachine } from './edge/machine.ts';
import type { Faults } from './faults.ts';
import { type Load, SITES } from './load.ts';
import type { OrchestratorMachine } from './orchestrator.ts';
import type { World } from './world.ts';

export interface Evidence {
  readonly world: World;
  readonly edge: EdgeMachine;
  readonly orchestrator: OrchestratorMachine;
  readonly cloudflare: Cloudflare;
  readonly load: Load;
  readonly faults: Faults;
}

type Row = Record<string, unknown>;
const FINAL: ReadonlySet<unknown> = new Set(['succeeded', 'failed', 'expired', 'cancelled']);

/** Compares what was given with what was applied, on both sides and outside. @returns every rule that was broken */
export function judge(evidence: Evidence): string[] {
  const { world, edge, orchestrator } = evidence;
  const commands = edge.storage.read(`SELECT * FROM commands`);
  return [
    ...world.failures.map((error) => `nobody caught ${error instanceof Error ? error.stack : String(error)}`),
    ...acknowledged(evidence, commands),
    ...commands.flatMap((command) => history(edge, command)),
    ...effects(evidence, commands),
    ...configs(evidence, commands),
    ...quiet(edge, orchestrator),
    ...projected(edge, commands),
  ];
}

/** What was acknowledged is there, once, and has ended. */
function acknowledged({ load }: Evidence, commands: Row[]): string[] {
  const byId = new Map(commands.map((row) => [row['id'], row]));
  const taken = new Set<string>();
  return load.submissions.flatMap(({ key, answer }) => {
    if (answer === undefined) return [`${key} was never answered`];
    if (!answer.ok) return [];
    const { commandId } = answer.value;
    const command = byId.get(commandId);
    if (command === undefined) return [`${key}: ${commandId} was acknowledged and is gone`];
    if (taken.has(commandId)) return [`${commandId} was given to two keys`];
    taken.add(commandId);
    return FINAL.has(command['state']) ? [] : [`${commandId} is stuck: ${command['state']}`];
  });
}

/** A history goes `queued → delivered → running → an end`, and nothing behind the end. */
function history(edge: EdgeMachine, command: Row): string[] {
  const notes = edge.storage.read(
    `SELECT value, at FROM command_history WHERE command_id = ? AND kind = 'state' ORDER BY n`,
    String(command['id']),
  );
  const ORDER = ['queued', 'delivered', 'running'];
  const ranks = notes.map(({ value }) => (FINAL.has(value) ? ORDER.length : ORDER.indexOf(String(value))));
  const states = notes.map(({ value }) => value).join(' → ');
  const rises = ranks.every((rank, index) => index === 0 || rank > (ranks[index - 1] ?? 0));
  const ages = notes.every(({ at }, index) => index === 0 || Number(at) >= Number(notes[index - 1]?.['at']));
  const ends = notes.at(-1)?.['value'] === command['state'] && ranks[0] === 0;
  return rises && ages && ends ? [] : [`${command['id']} (${command['state']}) has the history ${states}`];
}

/** What left the system happened once under its key, and what succeeded has happened. */
function effects({ cloudflare }: Evidence, commands: Row[]): string[] {
  const twice = [...cloudflare.versions].filter(([, times]) => times > 1);
  const missing = commands.filter(
    ({ id, type, state }) =>
      type === 'deploy_worker' && state === 'succeeded' && !cloudflare.versions.has(String(id)),
  );
  return [
    ...twice.map(([id, times]) => `${id} was uploaded ${times} times`),
    ...missing.map(({ id }) => `${id} succeeded and was never uploaded`),
  ];
}

/** The config that runs is the newest that succeeded. */
function configs({ orchestrator }: Evidence, commands: Row[]): string[] {
  return SITES.flatMap((site) => {
    const applied = commands
      .filter(
        ({ type, site_id, state }) => type === 'update_config' && site_id === site && state === 'succeeded',
      )
      .map(({ generation }) => Number(generation));
    const newest = Math.max(0, ...applied);
    const [row] = orchestrator.read(`SELECT generation FROM settings WHERE site_id = ?`, site);
    const runs = Number(row?.['generation'] ?? 0);
    return runs === newest ? [] : [`${site} runs generation ${runs}, the newest that succeeded is ${newest}`];
  });
}

/** Each side has all that the other wrote, has handled it, and nothing died. */
function quiet(edge: EdgeMachine, vps: OrchestratorMachine): string[] {
  const LOGS = `SELECT log, direction, last, acked FROM log_state`;
  const INBOX = `SELECT state, COUNT(*) AS n FROM log_inbox GROUP BY state`;
  const [ours, theirs] = [edge.storage.read(LOGS), vps.read(LOGS)];
  const left = (side: string, rows: Row[]) =>
    rows.map(({ state, n }) => `${n} entries ${state} on the ${side}`);
  return [
    ...untaken('edge', ours, theirs),
    ...untaken('VPS', theirs, ours),
    ...left('edge', edge.storage.read(INBOX)),
    ...left('VPS', vps.read(INBOX)),
  ];
}

function untaken(writer: string, written: Row[], taken: Row[]): string[] {
  return written.flatMap(({ log, direction, last }) => {
    const peer = taken.find((row) => row['log'] === log && row['direction'] === 'in');
    if (direction !== 'out' || peer === undefined || peer['acked'] === last) return [];
    return [`the ${writer} wrote ${last} entries of ${log}, the other side has ${peer['acked']}`];
  });
}

/** D1 shows each command as it is. */
function projected(edge: EdgeMachine, commands: Row[]): string[] {
  const shown = new Map(
    edge.d1.db
      .prepare<Row>(`SELECT id, state FROM orc_commands`)
      .all()
      .map(({ id, state }) => [id, state]),
  );
  return commands
    .filter(({ id, state }) => shown.get(id) !== state)
    .map(({ id, state }) => `D1 shows ${id} as ${shown.get(id)}, it is ${state}`);
}
