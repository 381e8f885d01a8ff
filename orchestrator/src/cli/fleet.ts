import { writeFileSync } from 'node:fs';
import { counted, json, type Site } from '@clawdbot/protocol';
import { readText } from './config.ts';
import { insist } from './confirm.ts';
import { type Desk, show } from './desk.ts';
import { entryOf, fleetText, readFleet } from './fleet-file.ts';
import { type Known, planOf, type Step } from './fleet-plan.ts';
import { asJson, CliError, messageOf } from './io.ts';
import { outcomeOf } from './progress.ts';

export interface FleetOptions {
  readonly note?: string;
  readonly yes?: true;
  readonly dryRun?: true;
}

/** Requests to the edge at once. */
const AT_ONCE = 8;

/** Writes every site with its config to a file, or to standard output. */
export async function exportFleet(desk: Desk, file: string | undefined): Promise<void> {
  const known = await knownSites(desk);
  const sites = Object.fromEntries(
    [...known.values()].map(({ site, state }) => [site.id, entryOf(site, state.config)]),
  );
  const all = { version: 1 as const, sites };
  const text = desk.json ? asJson(all) : fleetText(all).trimEnd();
  if (file === undefined) return desk.io.out(text);
  writeFile(file, text);
  desk.io.err(`${counted(known.size, 'site is', 'sites are')} in ${file}`);
}

/** Makes the edge's sites as the file says: shows the plan, asks, and carries it out. Others are left alone. */
export async function applyFleet(desk: Desk, file: string, options: FleetOptions): Promise<void> {
  const fleet = readFleet(file === '-' ? await desk.io.readStdin() : readText(file), file);
  const steps = planOf(fleet, await knownSites(desk));
  const todo = steps.filter(({ action }) => action !== 'unchanged');
  if (!desk.json) desk.io.err(planText(steps));
  if (todo.length === 0 || options.dryRun === true) return result(desk, steps, 'nothing was changed');
  if (options.yes !== true) await agree(desk, file, todo.length);
  const failures = await carryOut(desk, todo, options.note);
  if (failures.length > 0) {
    throw new CliError(
      `${failures.length} of ${counted(todo.length, 'site')} failed: ${failures.join('; ')}. Apply the file again: what is done is not done twice`,
    );
  }
  result(desk, steps, `${counted(todo.length, 'site is', 'sites are')} as the file says`);
}

const result = (desk: Desk, steps: readonly Step[], text: string): void =>
  show(
    desk,
    { steps: steps.map(({ siteId, action, lines }) => ({ siteId, action, lines })), outcome: text },
    () => text,
  );

async function agree(desk: Desk, file: string, count: number): Promise<void> {
  const refusal = `this changes ${counted(count, 'site')}: say --yes if you mean it, or --dry-run to see the plan`;
  await insist(desk, `Change ${counted(count, 'site')}?`, refusal, file !== '-');
}

const SIGNS: Readonly<Record<Step['action'], string>> = { create: '+', change: '~', unchanged: '=' };

function planText(steps: readonly Step[]): string {
  const unchanged = steps.filter(({ action }) => action === 'unchanged').length;
  const changes = steps
    .filter(({ action }) => action !== 'unchanged')
    .flatMap(({ siteId, action, lines }) => [
      `${SIGNS[action]} ${action} ${siteId}`,
      ...lines.map((line) => `    ${line}`),
    ]);
  return [...changes, `${SIGNS.unchanged} ${unchanged} unchanged`].join('\n');
}

/** All of it is asked for first, and waited for behind that. @returns what failed, and why */
async function carryOut(desk: Desk, steps: readonly Step[], note: string | undefined): Promise<string[]> {
  const failures: string[] = [];
  const failed = (siteId: string, thrown: unknown) => {
    if (!(thrown instanceof CliError)) throw thrown;
    failures.push(`${siteId}: ${thrown.message}`);
  };
  const commands: { siteId: string; commandId: string }[] = [];
  await each(steps, async (step) => {
    const commandId = await ask(desk, step, note).catch((thrown) => failed(step.siteId, thrown));
    if (commandId !== undefined) commands.push({ siteId: step.siteId, commandId });
  });
  const quiet = { ...desk.io, err: () => undefined };
  await each(commands, async ({ siteId, commandId }) => {
    await outcomeOf(commandId, desk.edge, quiet).catch((thrown) => failed(siteId, thrown));
  });
  return failures;
}

/** @returns the command that brings the config, if one is needed */
async function ask({ edge, io }: Desk, step: Step, note: string | undefined): Promise<string | undefined> {
  const { siteId, action, wanted, patch, config } = step;
  const { name, labels, hostnames, orchestrator } = wanted;
  if (action === 'create')
    await edge.createSite({ id: siteId, name, labels, hostnames, orchestratorId: orchestrator });
  if (patch !== undefined) await edge.patchSite(siteId, patch);
  if (config === undefined) return undefined;
  const payload = { base: config.base, config: json.parse(config.config), note };
  const taken = await edge.submit({ action: 'update_config', siteId, payload });
  for (const warning of taken.warnings ?? []) io.err(`warning: ${siteId}: ${warning}`);
  return taken.commandId;
}

async function knownSites({ edge }: Desk): Promise<Map<string, Known>> {
  const known = new Map<string, Known>();
  const sites = await edge.allSites();
  await each(sites, async (site: Site) => {
    known.set(site.id, { site, state: await edge.config(site.id) });
  });
  return new Map([...known].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Does something with each, a few at once. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function writeFile(file: string, text: string): void {
  try {
    writeFileSync(file, `${text}\n`);
  } catch (cause) {
    throw new CliError(`${file} cannot be written: ${messageOf(cause)}`, { cause });
  }
}
