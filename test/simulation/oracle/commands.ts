import type { Cloudflare } from '../cloudflare.ts';
import type { EdgeMachine } from '../edge/machine.ts';
import { OPERATOR } from '../load/operators.ts';
import type { Evidence, Row } from './evidence.ts';

const FINAL: ReadonlySet<unknown> = new Set(['succeeded', 'failed', 'expired', 'cancelled']);

/** Has the edge told whoever asked that this command is over? */
export function isEnded(edge: EdgeMachine, id: string): boolean {
  const [command] = edge.storage.read(`SELECT state FROM commands WHERE id = ?`, id);
  return FINAL.has(command?.['state']);
}

/** Every command that was taken is there once, has ended, and had its effect once. */
export function judgeCommands(evidence: Evidence): string[] {
  const { edge, cloudflare } = evidence;
  const commands = edge.storage.read(`SELECT * FROM commands`);
  return [
    ...acknowledged(evidence, commands),
    ...repeated(evidence, commands),
    ...commands.flatMap((command) => history(edge, command)),
    ...effects(cloudflare, commands),
    ...projected(evidence, commands),
  ];
}

/** What was acknowledged is there, once, and has ended. */
function acknowledged({ operators, losses }: Evidence, commands: Row[]): string[] {
  const byId = new Map(commands.map((row) => [row['id'], row]));
  const taken = new Set<string>();
  return operators.submissions.flatMap(({ key, answer, answeredAt }) => {
    if (answer === undefined) return [`${key} was never answered`];
    if (!answer.ok) return [];
    const { commandId, unchanged } = answer.value;
    const command = byId.get(commandId);
    if (command === undefined && losses.forgets(answeredAt)) return [];
    if (command === undefined) return [`${key}: ${commandId} was acknowledged and is gone`];
    // An edit that changed nothing was told of another one's command.
    if (unchanged === true) return [];
    if (taken.has(commandId)) return [`${commandId} was given to two keys`];
    taken.add(commandId);
    return FINAL.has(command['state']) ? [] : [`${commandId} is stuck: ${command['state']}`];
  });
}

/** A question that was repeated under its key is one command. */
function repeated({ operators, losses }: Evidence, commands: Row[]): string[] {
  const answered = new Set(
    operators.submissions.flatMap(({ answer }) => (answer?.ok ? [answer.value.commandId] : [])),
  );
  const more = commands.filter(({ id, created_by: by }) => by === OPERATOR && !answered.has(String(id)));
  // A restored object has forgotten keys, and keeps commands whose answer was that of an earlier life.
  return losses.edge ? [] : more.map(({ id }) => `${id}: its question was taken twice`);
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
function effects(cloudflare: Cloudflare, commands: Row[]): string[] {
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

/** D1 shows each command as it is. */
function projected({ edge }: Evidence, commands: Row[]): string[] {
  const shown = new Map(
    edge.d1.db.rows(`SELECT id, state FROM orc_commands`).map(({ id, state }) => [id, state]),
  );
  return commands
    .filter(({ id, state }) => shown.get(id) !== state)
    .map(({ id, state }) => `D1 shows ${id} as ${shown.get(id)}, it is ${state}`);
}
