import { readFileSync } from 'node:fs';
import {
  type ConfigGeneration,
  EMPTY_CONFIG,
  editedConfig,
  explain,
  type Json,
  json,
  mergePatch,
  type SiteConfig,
  type UpdateConfigPayload,
  updateConfigPayload,
} from '@clawdbot/protocol';
import { parse } from 'yaml';
import { difference } from './config-diff.ts';
import { standingLines } from './config-words.ts';
import { confirm } from './confirm.ts';
import { type Desk, show, when } from './desk.ts';
import { follow } from './follow.ts';
import { asJson, CliError, type Io, list, messageOf } from './io.ts';

export interface ApplyOptions {
  readonly note?: string;
  readonly yes?: true;
  readonly detach?: true;
}
export interface SetConfigOptions extends ApplyOptions {
  readonly replace?: true;
}

/** The desired config on standard output, and how it stands on standard error. */
export async function getConfig(desk: Desk, siteId: string): Promise<void> {
  const state = await desk.edge.config(siteId);
  if (!desk.json) for (const line of standingLines(state)) desk.io.err(line);
  desk.io.out(asJson(desk.json ? state : state.config));
}

/** Sends a merge patch, or with `replace` the whole config, and waits until it runs or is refused. */
export async function setConfig(
  desk: Desk,
  siteId: string,
  file: string,
  { replace, note, yes, detach }: SetConfigOptions,
): Promise<void> {
  const change = await readChange(file, desk.io);
  const { generation, config } = await desk.edge.config(siteId);
  const payload = updateConfigPayload.safeParse({
    base: generation,
    ...(replace === true ? { config: change } : { patch: change }),
    note,
  });
  if (!payload.success) throw new CliError(explain(payload.error));
  const wanted = replace === true ? change : mergePatch(json.parse(config), change);
  // Standard input was read to its end: nobody can answer there any more.
  await agree(desk, { siteId, config, wanted, sure: yes === true || file === '-' });
  await apply(desk, siteId, payload.data, detach === true);
}

/** Makes a new generation with the content of an old one. */
export async function rollbackConfig(
  desk: Desk,
  siteId: string,
  generation: number,
  { note, yes, detach }: ApplyOptions,
): Promise<void> {
  const [current, old] = await Promise.all([
    desk.edge.config(siteId),
    desk.edge.configGeneration(siteId, generation),
  ]);
  const wanted = json.parse(old.config);
  await agree(desk, { siteId, config: current.config, wanted, sure: yes === true });
  const why = note ?? `rollback to generation ${generation}`;
  await apply(desk, siteId, { base: current.generation, config: wanted, note: why }, detach === true);
}

interface Change {
  readonly siteId: string;
  readonly config: SiteConfig;
  readonly wanted: Json;
  readonly sure: boolean;
}

/** Shows what would change, and asks. What is no config the edge refuses, with its reason. */
export async function agree(desk: Desk, { siteId, config, wanted, sure }: Change): Promise<void> {
  if (desk.json) return;
  const lines = difference(config, editedConfig.safeParse(wanted).data ?? wanted);
  // The edge knows whether the config must be sent again all the same: there is nothing to agree to.
  if (lines.length === 0) return;
  desk.io.err(lines.join('\n'));
  if (!sure) await confirm(desk, `Apply this to ${siteId}?`);
}

/** Gives the edit, and waits for its end. */
export async function apply(
  desk: Desk,
  siteId: string,
  payload: UpdateConfigPayload,
  detach: boolean,
): Promise<void> {
  await follow(desk, await desk.edge.submit({ action: 'update_config', siteId, payload }), detach);
}

/** The newest generations. */
export async function listHistory(desk: Desk, siteId: string, limit: number): Promise<void> {
  const { items } = await desk.edge.configHistory(siteId, { limit });
  show(desk, items, () => list(['GENERATION', 'STATE', 'MADE', 'BY', 'NOTE', 'WHY'], items.map(cells)));
}

const cells = ({ generation, state, runs, at, author, note, why, failures }: ConfigGeneration): string[] => [
  String(generation),
  runs ? 'runs' : failures > 1 ? `${state} ${failures}×` : state,
  when(at),
  author,
  note ?? '',
  why ?? '',
];

/** What changes between two generations; without them what the newest one has changed. */
export async function diffConfig(
  desk: Desk,
  siteId: string,
  from: number | undefined,
  to: number | undefined,
): Promise<void> {
  const newest = to ?? (await desk.edge.config(siteId)).generation;
  const oldest = from ?? Math.max(0, newest - 1);
  const [before, after] = await Promise.all([at(desk, siteId, oldest), at(desk, siteId, newest)]);
  const lines = difference(before, after);
  show(desk, { from: oldest, to: newest, lines }, () =>
    lines.length === 0
      ? `generation ${oldest} and generation ${newest} are the same`
      : [`--- generation ${oldest}`, `+++ generation ${newest}`, ...lines].join('\n'),
  );
}

/** Before the first generation there is the empty one. */
const at = async (desk: Desk, siteId: string, generation: number): Promise<SiteConfig> =>
  generation === 0 ? EMPTY_CONFIG : (await desk.edge.configGeneration(siteId, generation)).config;

export async function readChange(file: string, io: Io): Promise<Json> {
  const text = file === '-' ? await io.readStdin() : readText(file);
  const isYaml = /\.ya?ml$/.test(file);
  try {
    return json.parse(isYaml ? parse(text) : JSON.parse(text));
  } catch (cause) {
    const [what] = messageOf(cause).split('\n');
    const name = file === '-' ? 'standard input' : file;
    throw new CliError(`${name} is no ${isYaml ? 'YAML' : 'JSON'}: ${what}`, { cause });
  }
}

/** A file's text. Throws `CliError`. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new CliError(`${file} cannot be read: ${absent ? 'no such file' : messageOf(error)}`, {
      cause: error,
    });
  }
}
