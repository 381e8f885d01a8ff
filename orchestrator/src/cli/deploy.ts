import { statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { type DeployPayload, deployPayload, explain } from '@clawdbot/protocol';
import { bundle } from './bundle/bundle.ts';
import { compatibilityOf, mainOf, type Project, readProject } from './bundle/project.ts';
import { type TemplateName, templateFolder, templateVars } from './bundle/templates.ts';
import type { Desk } from './desk.ts';
import { follow } from './follow.ts';
import { CliError, messageOf } from './io.ts';
import { asName, readSources, type Sources, sizeOf } from './modules.ts';
import { pairOf } from './options.ts';

/** What is deployed, and how. */
export interface WorkerOptions {
  readonly template?: TemplateName;
  readonly name?: string;
  readonly main?: string;
  readonly compatDate?: string;
  readonly var: readonly string[];
  /** `--no-bundle`: the files as they are. */
  readonly bundle: boolean;
  readonly steps?: readonly number[];
  readonly bake: number;
  readonly check: string;
}

export interface DeployOptions extends WorkerOptions {
  readonly site?: string;
  readonly detach?: true;
}

/** The newest date that this version's own tests deploy with. */
const COMPATIBILITY_DATE = '2026-11-01';

/** What is deployed, and what its folder says of it. */
export interface Worker extends Sources {
  readonly project: Project;
  /** What it was made of, for people. */
  readonly made: string;
}

/** Deploys a folder, a file or a template, and waits for the end. Throws `CliError`. */
export async function deploy(desk: Desk, path: string | undefined, options: DeployOptions): Promise<void> {
  const worker = await workerOf(path, options);
  const siteId = await desk.edge.siteOr(options.site);
  const payload = payloadOf(worker, siteId, options, desk);
  announce(desk, worker, payload);
  const taken = await desk.edge.submit({ action: 'deploy_worker', siteId, payload });
  await follow(desk, taken, options.detach === true);
}

/** A site's own deployment of a Worker. Throws `CliError` on what cannot be deployed. */
export function payloadOf(
  worker: Worker,
  siteId: string,
  options: WorkerOptions,
  { places }: Pick<Desk, 'places'>,
): DeployPayload {
  const given = varsOf(options.var);
  const { config } = worker.project;
  const vars = { ...config.vars, ...given };
  const { template } = options;
  const payload = deployPayload.safeParse({
    name: options.name ?? (template === undefined ? worker.name : asName(`${siteId}-${template}`)),
    mainModule: worker.mainModule,
    modules: worker.modules,
    compatibilityDate: COMPATIBILITY_DATE,
    ...compatibilityOf(config),
    ...(options.compatDate && { compatibilityDate: options.compatDate }),
    vars: template === undefined ? vars : templateVars(template, { siteId, ...places }, vars),
    ...(options.steps && { strategy: gradual(options.steps, options) }),
  });
  if (!payload.success) throw new CliError(explain(payload.error));
  return payload.data;
}

const gradual = (steps: readonly number[], { bake, check }: WorkerOptions) => ({
  type: 'gradual',
  steps,
  bakeMs: bake * 1_000,
  healthCheck: { path: check },
});

function announce(
  { io }: Desk,
  { made, modules, project }: Worker,
  {
    name,
    compatibilityDate,
    vars = {},
  }: { name: string; compatibilityDate: string; vars?: object | undefined },
): void {
  const count = Object.keys(modules).length;
  const size = `${(sizeOf(modules) / 1_024).toFixed(1)} KB in ${count} module${count === 1 ? '' : 's'}`;
  const names = Object.keys(vars).join(', ') || 'none';
  io.err(`${name}: ${made}, ${size}, compatibility date ${compatibilityDate}, variables: ${names}`);
  if (project.ignored.length > 0)
    io.err(`not deployed from wrangler’s config: ${project.ignored.join(', ')}`);
}

const varsOf = (pairs: readonly string[]): Record<string, string> =>
  Object.fromEntries(pairs.map((pair) => pairOf(pair, `--var ${pair}: expected NAME=value`)));

/** Bundles it, once for however many sites. Throws `CliError`. */
export async function workerOf(path: string | undefined, options: WorkerOptions): Promise<Worker> {
  const { template } = options;
  if ((path === undefined) === (template === undefined))
    throw new CliError('name what to deploy: a folder, a file, or a template with --template');
  if (template !== undefined)
    return { ...(await bundled(templateFolder(template), undefined)), made: `template ${template}` };
  const root = resolve(path ?? '.');
  const isFile = isFileAt(root, path ?? '.');
  if (!options.bundle) {
    const project = isFile ? { config: {}, ignored: [] } : readProject(root);
    return { ...readSources(root, options.main ?? project.config.main), project, made: 'as it is' };
  }
  return isFile
    ? { ...(await bundled(dirname(root), basename(root))), ...fileAlone(root) }
    : bundled(root, options.main);
}

/** A file is deployed by itself: what lies beside it is not asked. */
const fileAlone = (file: string): Pick<Worker, 'name' | 'project'> => ({
  name: asName(basename(file).replace(/\.[^.]+$/, '')),
  project: { config: {}, ignored: [] },
});

async function bundled(folder: string, named: string | undefined): Promise<Worker> {
  const project = readProject(folder);
  const main = mainOf(folder, named ?? project.config.main);
  const source = join(folder, main);
  return {
    ...(await bundle(source)),
    name: project.config.name ?? asName(basename(folder)),
    project,
    made: `bundled from ${relative(process.cwd(), source)}`,
  };
}

function isFileAt(root: string, path: string): boolean {
  try {
    return statSync(root).isFile();
  } catch (error) {
    throw new CliError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
