import { type Command, InvalidArgumentError } from 'commander';
import * as config from './config.ts';
import { editConfig } from './config-edit.ts';
import type { Desk } from './desk.ts';
import { applyFleet, exportFleet, type FleetOptions } from './fleet.ts';
import { listLimit } from './limit.ts';

/** `clawctl config …`. */
export function addConfig(program: Command, desk: () => Desk): void {
  const commands = program.command('config').description('a site’s config');
  commands
    .command('get')
    .argument('<site>')
    .description('print the desired config, and who uses it')
    .action((site: string) => config.getConfig(desk(), site));
  applying(
    commands
      .command('set')
      .argument('<site>')
      .argument(
        '[file]',
        'a JSON merge patch (RFC 7396), as YAML if it is called so; "-" is standard input',
        '-',
      )
      .option('--replace', 'the file is the whole config'),
  )
    .description('show what changes, change the config, and wait until it runs or is refused')
    .action((site: string, file: string, options: config.SetConfigOptions) =>
      config.setConfig(desk(), site, file, options),
    );
  applying(commands.command('edit').argument('<site>'))
    .description('open the config as YAML in $VISUAL or $EDITOR, and apply what you make of it')
    .action((site: string, options: config.ApplyOptions) => editConfig(desk(), site, options));
  commands
    .command('history')
    .argument('<site>')
    .option('--limit <n>', 'how many', listLimit, 20)
    .description('list generations: who made each, when and why, and what became of it')
    .action((site: string, { limit }: { limit: number }) => config.listHistory(desk(), site, limit));
  commands
    .command('diff')
    .argument('<site>')
    .argument('[from]', 'a generation; else the one before', generation)
    .argument('[to]', 'a generation; else the newest', generation)
    .description('show what changes from one generation to another')
    .action((site: string, from?: number, to?: number) => config.diffConfig(desk(), site, from, to));
  applying(commands.command('rollback').argument('<site>').argument('<generation>', '', generation))
    .description('make a new generation with the content of an old one')
    .action((site: string, to: number, options: config.ApplyOptions) =>
      config.rollbackConfig(desk(), site, to, options),
    );
  commands
    .command('export')
    .argument('[file]', 'where to; else standard output')
    .description('write every site with its config as one YAML file, without any secret’s value')
    .action((file?: string) => exportFleet(desk(), file));
  commands
    .command('apply')
    .argument('<file>', 'what "clawctl config export" has written; "-" is standard input')
    .option('--note <text>', 'why: it stands in the history of each config')
    .option('--yes', 'do not ask')
    .option('--dry-run', 'only show the plan')
    .description('create and change sites until they are as the file says; others are left alone')
    .action((file: string, options: FleetOptions) => applyFleet(desk(), file, options));
}

const applying = (command: Command): Command =>
  command
    .option('--note <text>', 'why: it stands in the history')
    .option('--yes', 'do not ask')
    .option('--detach', 'do not wait: it is done when the orchestrator is there');

function generation(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a generation’s number.');
}
