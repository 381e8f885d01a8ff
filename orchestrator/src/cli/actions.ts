import { readFileSync } from 'node:fs';
import {
  type CommandTaken,
  deployPayload,
  explain,
  type Json,
  json,
  type SiteConfigState,
  type StatusReport,
  updateConfigPayload,
} from '@clawdbot/protocol';
import { type Desk, show, when } from './desk.ts';
import { asJson, CliError, duration, type Io, messageOf, table } from './io.ts';
import { readSources } from './modules.ts';
import { outcomeOf } from './progress.ts';

/** All orchestrators and sites, or one site asked live. */
export async function status(desk: Desk, siteId: string | undefined): Promise<void> {
  if (siteId !== undefined) {
    const report = await desk.edge.status(siteId);
    return show(desk, report, () => siteText(siteId, report));
  }
  const [{ items: known }, { items: sites }] = await Promise.all([
    desk.edge.orchestrators(),
    desk.edge.sites(),
  ]);
  const orchestrators = await Promise.all(known.map(({ id }) => desk.edge.orchestrator(id)));
  show(desk, { orchestrators, sites }, () => {
    const rows = orchestrators.map(({ id, presence, version, queues }) => {
      const since = presence.since === undefined ? '' : duration(desk.io.now() - presence.since);
      const dead = queues.deadLetters + queues.deadReceipts;
      const counts = [String(queues.control + queues.queue), String(dead)];
      return [id, presence.state, since, version ?? '', ...counts, presence.reason ?? ''];
    });
    const siteRows = sites.map(({ id, orchestratorId, paused, name }) => [
      id,
      orchestratorId,
      paused ? 'paused' : 'active',
      name,
    ]);
    return `${table([['ORCHESTRATOR', 'STATE', 'FOR', 'VERSION', 'QUEUED', 'DEAD', 'WHY'], ...rows])}\n\n${table([['SITE', 'ORCHESTRATOR', 'STATE', 'NAME'], ...siteRows])}`;
  });
}

function siteText(siteId: string, { orchestrator, site, tunnel, at }: StatusReport): string {
  const { id, version, uptimeS, connectedSince, rttMs, queues, memory, otherLanes = [] } = orchestrator;
  const connected =
    connectedSince === undefined ? 'not connected' : `connected for ${duration(at - connectedSince)}`;
  // An older one was mended: a newer generation runs.
  const failure = (site.lastFailure?.generation ?? 0) > site.generation ? site.lastFailure : undefined;
  const lines = [
    `orchestrator ${id} ${version}: up for ${duration(uptimeS * 1_000)}, ${connected}${rttMs === undefined ? '' : `, ${rttMs} ms away`}`,
    `  memory ${Math.round(memory.rssBytes / 1_048_576)} MB; queues: inbox ${queues.inbox}, outbox ${queues.outbox}, dead letters ${queues.deadLetters}; tunnel ${tunnel.state}`,
    ...otherLanes.map(
      ({ lane, state, since, reason }) =>
        `  lane ${lane}: ${state} for ${duration(at - since)}${reason === undefined ? '' : ` (${reason})`}`,
    ),
    `site ${siteId}: config generation ${site.generation} (${site.digest.slice(0, 12)})`,
    ...(failure === undefined
      ? []
      : [`  generation ${failure.generation} failed at ${when(failure.at)}: ${failure.error ?? ''}`]),
    ...site.routes.map(({ path, upstream, offline }) => `  route ${path} → ${upstream} (${offline})`),
    ...site.workers.map(
      ({ name, state, url, proof, drift }) =>
        `  worker ${name}: ${[state, proof, url, drift].filter(Boolean).join(', ')}`,
    ),
  ];
  return lines.join('\n');
}

export interface DeployOptions {
  readonly site?: string;
  readonly name?: string;
  readonly main?: string;
  readonly compatDate: string;
  readonly var: readonly string[];
  readonly detach?: true;
}

export interface SetConfigOptions {
  readonly replace?: true;
  readonly detach?: true;
}

function varsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new CliError(`--var ${pair}: expected NAME=value`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** Deploys a folder's files, or one file, as they are, and waits for the end. */
export async function deploy(desk: Desk, path: string, options: DeployOptions): Promise<void> {
  const sources = readSources(path, options.main);
  const payload = deployPayload.safeParse({
    name: options.name ?? sources.name,
    mainModule: sources.mainModule,
    modules: sources.modules,
    compatibilityDate: options.compatDate,
    vars: varsOf(options.var),
  });
  if (!payload.success) throw new CliError(explain(payload.error));
  const siteId = await desk.edge.siteOr(options.site);
  const taken = await desk.edge.submit({ action: 'deploy_worker', siteId, payload: payload.data });
  await follow(desk, taken, options.detach === true);
}

/** Waits for a command's end, or with `detach` only says what was taken: it is done when it can be. */
export async function follow(desk: Desk, taken: CommandTaken, detach: boolean): Promise<void> {
  const generation = taken.generation === undefined ? '' : `, generation ${taken.generation}`;
  const line = `${taken.commandId} ${taken.state}${generation}`;
  if (detach) return show(desk, taken, () => line);
  desk.io.err(line);
  const ended = await outcomeOf(taken.commandId, desk.edge, desk.io);
  show(desk, ended, () => asJson(ended.result));
}

export async function cancel(desk: Desk, id: string): Promise<void> {
  const cancelled = await desk.edge.cancel(id);
  show(desk, cancelled, () => `${id} is ${cancelled.state}`);
}

/** Lets a process with an empty database take an orchestrator's place. Throws `CliError` unless it was confirmed. */
export async function release(desk: Desk, id: string, confirmed: boolean): Promise<void> {
  if (!confirmed) {
    throw new CliError(
      `this forgets the newest process of ${id}, and with it what only its lost database knew: say --yes if you mean it`,
    );
  }
  const { presence } = await desk.edge.orchestrator(id);
  if (presence.state === 'online') {
    throw new CliError(`${id} is online, so its database is not lost: nothing was done; stop it first`);
  }
  const released = await desk.edge.release(id);
  show(desk, released, () => `${id} is released: one with an empty database may connect`);
}

export async function getConfig(desk: Desk, siteId: string): Promise<void> {
  const state = await desk.edge.config(siteId);
  if (!desk.json) desk.io.err(`generation ${state.generation}, ${running(state)}`);
  desk.io.out(asJson(desk.json ? state : state.config));
}

function running({ generation, digest, running: runs }: SiteConfigState): string {
  if (runs === undefined) return 'not reported to run yet';
  if (runs.generation === generation && runs.digest === digest) return 'which runs';
  return `while generation ${runs.generation} runs`;
}

/** Sends a merge patch, or with `replace` the whole config, and waits until it runs or is refused. */
export async function setConfig(
  desk: Desk,
  siteId: string,
  file: string,
  options: SetConfigOptions,
): Promise<void> {
  const change = await readJson(file, desk.io);
  const { generation } = await desk.edge.config(siteId);
  const payload = updateConfigPayload.safeParse({
    base: generation,
    ...(options.replace === true ? { config: change } : { patch: change }),
  });
  if (!payload.success) throw new CliError(explain(payload.error));
  const taken = await desk.edge.submit({ action: 'update_config', siteId, payload: payload.data });
  await follow(desk, taken, options.detach === true);
}

export async function readJson(file: string, io: Io): Promise<Json> {
  const text = file === '-' ? await io.readStdin() : readText(file);
  try {
    return json.parse(JSON.parse(text));
  } catch (error) {
    throw new CliError(`${file === '-' ? 'standard input' : file} is no JSON: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const absent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new CliError(`${file} cannot be read: ${absent ? 'no such file' : messageOf(error)}`, {
      cause: error,
    });
  }
}
