import { statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { counted, type DeployPayload, deployPayload } from '@clawdbot/protocol';
import { bundle } from './bundle/bundle.ts';
import { mainOf } from './bundle/main-module.ts';
import { templateFolder, templateVars } from './bundle/templates.ts';
import { complaintOf } from './deploy-complaint.ts';
import { type GivenOptions, givenOf } from './deploy-fields.ts';
import { type RolloutOptions, rolloutOf } from './deploy-rollout.ts';
import type { Desk } from './desk.ts';
import { follow } from './follow.ts';
import { CliError, messageOf } from './io.ts';
import { asName, readSources, type Sources, sizeOf } from './modules.ts';
import { NO_PROJECT, type Project, readProject } from './wrangler/project.ts';

/** What is deployed, and how. */
export interface WorkerOptions extends GivenOptions, RolloutOptions {
  readonly name?: string;
  readonly main?: string;
  /** Members of wrangler's config that are left out. */
  readonly skip: readonly string[];
  /** `--no-bundle`: the files as they are. */
  readonly bundle: boolean;
}

export interface DeployOptions extends WorkerOptions {
  readonly site?: string;
  readonly detach?: true;
}

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
  const given = givenOf(worker.project, options);
  const { template } = options;
  const payload = deployPayload.safeParse({
    name: options.name ?? (template === undefined ? worker.name : asName(`${siteId}-${template}`)),
    mainModule: worker.mainModule,
    modules: worker.modules,
    ...given,
    ...(template !== undefined && { vars: templateVars(template, { siteId, ...places }, given.vars) }),
    ...rolloutOf(options, given.dispatchNamespace !== undefined),
  });
  if (!payload.success) throw complaintOf(payload.error, options);
  return payload.data;
}

function announce({ io }: Desk, { made, modules, project }: Worker, payload: DeployPayload): void {
  const count = Object.keys(modules).length;
  const size = `${(sizeOf(modules) / 1_024).toFixed(1)} KB in ${counted(count, 'module')}`;
  const { name, compatibilityDate, vars = {} } = payload;
  const names = Object.keys(vars).join(', ') || 'none';
  const said = [
    made,
    size,
    `compatibility date ${compatibilityDate}`,
    `variables: ${names}`,
    ...more(payload),
  ];
  io.err(`${name}: ${said.join(', ')}`);
  sayUnheard({ io }, project);
}

export function sayUnheard({ io }: Pick<Desk, 'io'>, { unheard }: Project): void {
  if (unheard.length > 0) io.err(`not deployed from wrangler’s config: ${unheard.join(', ')}`);
}

/** What not every Worker has. */
const more = ({
  secrets = {},
  bindings = [],
  routes = [],
  customDomains = [],
  ...rest
}: DeployPayload): string[] =>
  [
    ['secrets', Object.keys(secrets)] as const,
    ['bindings', bindings.map(({ name }) => name)] as const,
    ['routes', routes] as const,
    ['custom domains', customDomains] as const,
    ['dispatch namespace', rest.dispatchNamespace === undefined ? [] : [rest.dispatchNamespace]] as const,
  ].flatMap(([what, items]) => (items.length === 0 ? [] : [`${what}: ${items.join(', ')}`]));

/** Bundles it, once for however many sites. Throws `CliError`. */
export async function workerOf(path: string | undefined, options: WorkerOptions): Promise<Worker> {
  const { template } = options;
  if ((path === undefined) === (template === undefined))
    throw new CliError('name what to deploy: a folder, a file, or a template with --template');
  if (template !== undefined)
    return { ...(await bundled(templateFolder(template), options)), made: `template ${template}` };
  const root = resolve(path ?? '.');
  if (isFileAt(root, path ?? '.')) return ofFile(root, options);
  const project = readProject(root, options.skip);
  if (options.bundle && project.config.no_bundle !== true) return bundled(root, options, project);
  const sources = readSources(root, options.main ?? project.config.main);
  return { ...sources, name: project.config.name ?? sources.name, project, made: 'as it is' };
}

/** A file is deployed by itself: what lies beside it is not asked. */
async function ofFile(file: string, options: WorkerOptions): Promise<Worker> {
  if (!options.bundle) return { ...readSources(file, undefined), project: NO_PROJECT, made: 'as it is' };
  const name = asName(basename(file).replace(/\.[^.]+$/, ''));
  return { ...(await bundled(dirname(file), { main: basename(file), skip: [] }, NO_PROJECT)), name };
}

async function bundled(
  folder: string,
  { main: named, skip }: Pick<WorkerOptions, 'main' | 'skip'>,
  project = readProject(folder, skip),
): Promise<Worker> {
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
