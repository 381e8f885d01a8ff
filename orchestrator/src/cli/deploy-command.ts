import { rolloutSteps } from '@clawdbot/protocol';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { bindingForms } from './binding-option.ts';
import { templateNames } from './bundle/templates.ts';
import { type DeployOptions, deploy } from './deploy.ts';
import { BAKE } from './deploy-rollout.ts';
import type { Desk } from './desk.ts';
import { collect } from './options.ts';

/** `clawctl deploy`. */
export function addDeploy(program: Command, desk: () => Desk): void {
  withWorker(
    program
      .command('deploy')
      .argument('[path]', 'a folder, whose wrangler.jsonc or .toml is read, or a file')
      .option('--site <id>', 'the site it belongs to; the only one when there is one')
      .option('--detach', 'do not wait: it is done when the orchestrator is there'),
  )
    .description('deploy a Worker, bundled as wrangler would, and wait for the end')
    .action((path: string | undefined, options: DeployOptions) => deploy(desk(), path, options));
}

/** What is deployed, and how: the same for one site and for many. */
export function withWorker(command: Command): Command {
  return command
    .addOption(
      new Option('--template <name>', 'instead of a path: a Worker that we ship').choices(templateNames),
    )
    .option('--name <name>', 'the Worker; else as wrangler’s config says, or the folder’s or file’s name')
    .option(
      '--main <path>',
      'the main module; else as wrangler’s config or package.json say, or index.ts, src/index.js …',
    )
    .option('--compat-date, --compatibility-date <date>', 'else as wrangler’s config says, or the newest')
    .option('--compatibility-flag <flag>', `in the place of those of the config; ${REPEATED}`, collect, [])
    .option('--var <NAME=value>', `a variable, over those of the config; ${REPEATED}`, collect, [])
    .option(
      '--secret <NAME=ref>',
      `a secret of the site ("clawctl secrets set"), as the Worker calls it; ${REPEATED}`,
      collect,
      [],
    )
    .option('--binding <NAME=type:id>', `over those of the config; ${REPEATED}: ${bindingForms}`, collect, [])
    .option('--route <pattern>', `in the place of those of the config; ${REPEATED}`, collect, [])
    .option(
      '--domain <host>',
      `a custom domain, in the place of those of the config; ${REPEATED}`,
      collect,
      [],
    )
    .option('--dispatch-namespace <name>', 'into this namespace of Workers for Platforms')
    .option('--skip <member>', `leave this member of wrangler’s config out; ${REPEATED}`, collect, [])
    .option('--no-bundle', 'deploy all files of the folder as they are')
    .option('--steps <percentages>', 'roll out by steps, such as 1,10,100', percentages)
    .option(
      '--bake <seconds>',
      `how long each step is watched; else ${BAKE.steps}, and ${BAKE.atOnce} with a check but no --steps`,
      seconds,
    )
    .option(
      '--check <path>',
      'what is asked for, meanwhile and whenever the Worker’s health is looked at; a version that is ill there is undone and the deployment fails, without --steps too; else "/", where the latter takes any answer below 500, a 404 too, for a sign of life',
      path,
    )
    .option(
      '--check-status <code>',
      'what it has to answer there; else 200; gates as --check does',
      httpStatus,
    )
    .addHelpText('after', OF_CONFIG);
}

const REPEATED = 'may be repeated';

const OF_CONFIG = `
Of the folder’s wrangler.jsonc, .json or .toml are deployed: name, main, no_bundle, compatibility date and flags, vars,
route(s) and custom domains, kv_namespaces, d1_databases, r2_buckets, queues.producers, services, durable_objects of
other Workers, analytics_engine_datasets, hyperdrive, vectorize, dispatch_namespaces. What a Worker does without is named
and not deployed (observability, placement …); anything else is refused, unless it is left out with --skip. secrets.required
are names: give each as --secret.`;

function path(text: string): string {
  if (text.startsWith('/')) return text;
  throw new InvalidArgumentError('expected a path that begins with "/", such as /health.');
}

function httpStatus(text: string): number {
  if (/^[1-5]\d\d$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected an HTTP status, such as 200.');
}

function percentages(text: string): number[] {
  const steps = rolloutSteps.safeParse(text.split(',').map((part) => Number(part || Number.NaN)));
  if (steps.success) return steps.data;
  throw new InvalidArgumentError(
    'expected up to 10 percentages that ascend and end at 100, such as 1,10,100.',
  );
}

function seconds(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 86_400) return Number(text);
  throw new InvalidArgumentError('expected seconds, 86400 at most.');
}
