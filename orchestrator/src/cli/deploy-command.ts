import { type Command, InvalidArgumentError, Option } from 'commander';
import { templateNames } from './bundle/templates.ts';
import { type DeployOptions, deploy } from './deploy.ts';
import type { Desk } from './desk.ts';
import { collect } from './options.ts';

/** `clawctl deploy`. */
export function addDeploy(program: Command, desk: () => Desk): void {
  program
    .command('deploy')
    .argument('[path]', 'a folder, whose wrangler.jsonc or .toml is read, or a file')
    .addOption(
      new Option('--template <name>', 'instead of a path: a Worker that we ship').choices(templateNames),
    )
    .option('--site <id>', 'the site it belongs to; the only one when there is one')
    .option('--name <name>', 'the Worker; else as wrangler’s config says, or the folder’s or file’s name')
    .option(
      '--main <path>',
      'the main module; else as wrangler’s config or package.json say, or index.ts, src/index.js …',
    )
    .option('--compat-date <date>', 'compatibility date; else as wrangler’s config says, or the newest')
    .option('--var <NAME=value>', 'a variable, over those of wrangler’s config; may be repeated', collect, [])
    .option('--no-bundle', 'deploy all files of the folder as they are')
    .option('--steps <percentages>', 'roll out by steps, such as 1,10,100', percentages)
    .option('--bake <seconds>', 'how long each step is watched', seconds, 30)
    .option('--check <path>', 'what is asked for meanwhile', '/')
    .option('--detach', 'do not wait: it is done when the orchestrator is there')
    .description('deploy a Worker, bundled as wrangler would, and wait for the end')
    .action((path: string | undefined, options: DeployOptions) => deploy(desk(), path, options));
}

function percentages(text: string): number[] {
  if (/^\d{1,3}(\.\d+)?(,\d{1,3}(\.\d+)?)*$/.test(text)) return text.split(',').map(Number);
  throw new InvalidArgumentError('expected percentages, such as 1,10,100.');
}

function seconds(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected seconds.');
}
