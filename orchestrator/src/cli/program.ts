import { Command } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import * as actions from './actions.ts';
import { doctor } from './doctor/doctor.ts';
import { Edge } from './edge.ts';
import type { Io } from './io.ts';
import { findSettings } from './settings.ts';

/** The newest date that this version's own tests deploy with. */
const COMPATIBILITY_DATE = '2026-11-01';

interface Globals {
  readonly json?: true;
  readonly url?: string;
  readonly token?: string;
}

const collect = (value: string, previous: readonly string[]): string[] => [...previous, value];

/** The command line: what there is, and which action each is. */
export function createProgram(io: Io): Command {
  const program = new Command('clawctl')
    .description('Operate Clawdbot orchestrators through their edge')
    .version(manifest.version)
    .option('--json', 'print results as JSON')
    .option('--url <url>', 'the edge; else CLAWCTL_URL, else the sandbox around')
    .option('--token <jwt>', 'who asks; else CLAWCTL_TOKEN, else the sandbox’s admin')
    .showHelpAfterError()
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
    });
  const globals = (): Globals => program.opts<Globals>();
  const desk = (): actions.Desk => ({
    io,
    json: globals().json === true,
    edge: new Edge(findSettings(globals(), io), io),
  });

  program
    .command('status')
    .argument('[site]', 'ask its orchestrator live; without it: all orchestrators and sites')
    .description('show how things are')
    .action((site?: string) => actions.status(desk(), site));
  program
    .command('deploy')
    .argument('<path>', 'a folder of modules, taken as they are, or one file')
    .option('--site <id>', 'the site it belongs to; the only one when there is one')
    .option('--name <name>', 'the Worker; else the name of the folder or file')
    .option('--main <path>', 'the main module; else index.js, src/index.js …')
    .option('--compat-date <date>', 'compatibility date', COMPATIBILITY_DATE)
    .option('--var <NAME=value>', 'a variable; may be repeated', collect, [])
    .option('--detach', 'do not wait: it is done when the orchestrator is there')
    .description('deploy a Worker, and wait for the end')
    .action((path: string, options: actions.DeployOptions) => actions.deploy(desk(), path, options));
  addCommands(program, desk);
  addConfig(program, desk);
  program
    .command('doctor')
    .description('on the VPS: look at everything an orchestrator needs')
    .action(() => doctor(io, globals().json === true));
  return program;
}

function addCommands(program: Command, desk: () => actions.Desk): void {
  const commands = program
    .command('commands')
    .argument('[id]', 'one command, with its history')
    .description('list commands')
    .action((id?: string) => (id === undefined ? actions.commands(desk()) : actions.command(desk(), id)));
  commands
    .command('cancel')
    .argument('<id>')
    .description('stop a command, if it still can be stopped')
    .action((id: string) => actions.cancel(desk(), id));
}

function addConfig(program: Command, desk: () => actions.Desk): void {
  const config = program.command('config').description('a site’s config');
  config
    .command('get')
    .argument('<site>')
    .description('print the desired config')
    .action((site: string) => actions.getConfig(desk(), site));
  config
    .command('set')
    .argument('<site>')
    .argument('[file]', 'a JSON merge patch (RFC 7396); "-" is standard input', '-')
    .option('--replace', 'the file is the whole config')
    .option('--detach', 'do not wait: it is done when the orchestrator is there')
    .description('change the config, and wait until it runs or is refused')
    .action((site: string, file: string, options: actions.SetConfigOptions) =>
      actions.setConfig(desk(), site, file, options),
    );
}
