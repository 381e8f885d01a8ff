import type { Command, CommandSummary, CommandType, Json } from '@clawdbot/protocol';
import { type Desk, show } from './desk.ts';
import type { CommandQuery } from './edge.ts';
import { duration, list, table } from './io.ts';
import { stepsOf } from './progress.ts';

/** Columns where there is no terminal, as in a pipe; `--json` has every reason in full. */
const PIPE_WIDTH = 200;
/** Shorter than this a reason says nothing: the line is wrapped instead. */
const WHY_WIDTH_MIN = 24;

/** The newest commands. */
export async function listCommands(desk: Desk, query: CommandQuery): Promise<void> {
  const { items } = await desk.edge.commands(query);
  const { now, width = PIPE_WIDTH } = desk.io;
  show(desk, items, () => listed(items, now(), width));
}

function listed(items: readonly CommandSummary[], now: number, width: number): string {
  const rows = items.map((item) => {
    const { id, state, siteId, createdBy, createdAt } = item;
    return [duration(now - createdAt), state, what(item), siteId, createdBy, why(item), id];
  });
  const head = ['AGE', 'STATE', 'WHAT', 'SITE', 'BY', 'WHY', 'ID'];
  const others = table([head, ...rows].map((row) => row.with(WHY, '')));
  const left = width - Math.max(...others.split('\n').map(({ length }) => length));
  return list(
    head,
    rows.map((row) => row.with(WHY, short(row[WHY] ?? '', left))),
  );
}

const WHY = 5;

function short(text: string, room: number): string {
  const length = Math.max(room, WHY_WIDTH_MIN);
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

const why = ({ error, reason }: Pick<Command, 'error' | 'reason'>): string =>
  (error?.message ?? reason ?? '').replace(/\s+/g, ' ');

const VERBS: Record<CommandType, string> = {
  deploy_worker: 'deploy',
  rollback_worker: 'roll back',
  adopt_worker: 'adopt',
  update_config: 'config',
};

const what = ({ type, subject }: Pick<Command, 'type' | 'subject'>): string =>
  `${VERBS[type]} ${subject}`.trimEnd();

/** One command: what it is, what it went through, and what came of it. */
export async function showCommand(desk: Desk, id: string): Promise<void> {
  const command = await desk.edge.command(id);
  show(desk, command, () => viewOf(command));
}

function viewOf(command: Command): string {
  const { id, state, siteId, orchestratorId, createdBy, createdAt, expiresAt, reason } = command;
  const facts = [
    ['state', reason === undefined ? state : `${state}: ${reason}`],
    ['what', what(command)],
    ['site', `${siteId} on ${orchestratorId}`],
    ['by', createdBy],
    ['created', local(createdAt)],
    ...(expiresAt === undefined ? [] : [['expires', local(expiresAt)]]),
  ];
  const steps = stepsOf(command).map(({ at, text }) => [local(at), text]);
  return [id, table(facts), '', table(steps), ...outcome(command)].join('\n');
}

function outcome({ error, result }: Command): string[] {
  if (error !== undefined) return ['', `${error.code}: ${error.message}`];
  return result === undefined ? [] : ['', table(fieldsOf(result))];
}

/** A result is an object of few fields; whatever else it is, is shown as it came. */
function fieldsOf(result: Json): string[][] {
  if (typeof result !== 'object' || result === null || Array.isArray(result)) return [[plain(result)]];
  return Object.entries(result).map(([name, value]) => [name, plain(value)]);
}

const plain = (value: Json | undefined): string =>
  typeof value === 'string' ? value : JSON.stringify(value);

/** A time in the operator's own zone, as Sweden writes it: 2026-11-01 10:00:00. */
const local = (ms: number): string => new Date(ms).toLocaleString('sv');
