import { commandState, commandType, receiptState } from '@clawdbot/protocol';
import { Command, Option } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import * as actions from './actions.ts';
import { backup } from './backup.ts';
import { listCommands, showCommand } from './commands.ts';
import { addConfig } from './config-program.ts';
import { listLetters, settleLetter, showLetter } from './deadletters.ts';
import { addDeploy } from './deploy-command.ts';
import { addDeployments, addFleet } from './deployments-program.ts';
import type { Desk } from './desk.ts';
import { doctor } from './doctor/doctor.ts';
import { type CommandQuery, Edge } from './edge.ts';
import { type EventsOptions, events } from './events.ts';
import { asComplaint, type Io } from './io.ts';
import { listLimit } from './limit.ts';
import {
  type EraseOptions,
  eraseReceipts,
  listReceipts,
  type ReceiptsOptions,
  redeliver,
  showReceipt,
} from './receipts.ts';
import { restore } from './restore.ts';
import { deleteSecret, listSecrets, setSecret } from './secrets.ts';
import { findSettings } from './settings.ts';
import { addOrchestrators, addSites } from './sites-program.ts';
import { TOKEN_MINUTES, token } from './token.ts';

interface Globals {
  readonly json?: true;
  readonly url?: string;
  readonly token?: string;
}

/** The command line: what there is, and which action each is. */
export function createProgram(io: Io): Command {
  const program = new Command('clawctl')
    .description('Operate Clawdbot orchestrators through their edge')
    .version(manifest.version)
    .option('--json', 'print results as JSON')
    .option('--url <url>', 'the edge; else CLAWCTL_URL, else the sandbox around')
    .option('--token <jwt>', 'who asks; else CLAWCTL_TOKEN, else the sandbox’s admin')
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      // With --json a complaint is all that is written there: no usage behind it.
      writeErr: (text) => globals().json !== true && io.err(text.trimEnd()),
      outputError: (text, write) =>
        globals().json === true
          ? io.err(asComplaint(text.trim().replace(/^error: /, ''), true))
          : write(text),
    });
  const globals = (): Globals => program.opts<Globals>();
  const desk = (): Desk => {
    const settings = findSettings(globals(), io);
    const places = { edgeUrl: settings.url, relayUrl: settings.relayUrl };
    return { io, places, json: globals().json === true, edge: new Edge(settings, io) };
  };

  program
    .command('status')
    .argument('[site]', 'ask its orchestrator live; without it: all orchestrators and sites')
    .description('show how things are')
    .action((site?: string) => actions.status(desk(), site));
  addDeploy(program, desk);
  addSites(program, desk);
  addOrchestrators(program, desk);
  addDeployments(program, desk);
  addFleet(program, desk);
  addCommands(program, desk);
  addConfig(program, desk);
  addSecrets(program, desk);
  addEvents(program, desk);
  addDeadLetters(program, desk);
  addReceipts(program, desk);
  program
    .command('release')
    .argument('<orchestrator>')
    .option('--yes', 'it is meant')
    .description(
      'forget the newest process of an orchestrator whose database was lost, so that one with an empty database may connect',
    )
    .action((id: string, { yes }: { yes?: true }) => actions.release(desk(), id, yes === true));
  addOnVps(program, io, () => globals().json === true);
  pointToHelp(program, 'clawctl');
  return program;
}

/** A screen of help would carry the complaint out of sight. */
function pointToHelp(command: Command, line: string): void {
  command.showHelpAfterError(`see "${line} --help"`);
  for (const inner of command.commands) pointToHelp(inner, `${line} ${inner.name()}`);
}

/** What needs no edge, but the orchestrator's environment. */
function addOnVps(program: Command, io: Io, json: () => boolean): void {
  program
    .command('doctor')
    .description('on the VPS: look at everything an orchestrator needs')
    .action(() => doctor(io, json()));
  program
    .command('backup')
    .argument('<file>', 'a new file')
    .description('on the VPS: copy the database of the orchestrator, which may be running')
    .action((file: string) => backup(io, file, json()));
  program
    .command('restore')
    .argument('<file>', 'what "clawctl backup" has made')
    .description(
      'on the VPS: put a backup in the place of the database of the orchestrator, which is stopped',
    )
    .addHelpText(
      'after',
      `
The files that are there are kept beside it. The edge must be up: it says which generation comes next, and, once
the orchestrator is started, which commands have ended since the backup; what it still has for it is sent again.`,
    )
    .action((file: string) => restore(io, file, json()));
  program
    .command('token')
    .description(
      `on the VPS: print a token for this orchestrator’s own HTTP API, good for ${TOKEN_MINUTES} minutes`,
    )
    .addHelpText(
      'after',
      `
It is signed with KEY_FILE for ORCHESTRATOR_ID, both from the environment or the sandbox around.

  curl -H "Authorization: Bearer $(clawctl token)" http://127.0.0.1:3000/metrics`,
    )
    .action(() => token(io, json()));
}

function addCommands(program: Command, desk: () => Desk): void {
  const commands = program
    .command('commands')
    .argument('[id]', 'one command, with its history')
    .option('--site <id>', 'for this site only')
    .addOption(new Option('--state <state>', 'in this state only').choices(commandState.options))
    .addOption(new Option('--type <type>', 'of this type only').choices(commandType.options))
    .option('--limit <n>', 'how many', listLimit, 20)
    .description('list commands, newest first, or show one')
    .action((id: string | undefined, query: CommandQuery) =>
      id === undefined ? listCommands(desk(), query) : showCommand(desk(), id),
    );
  commands
    .command('cancel')
    .argument('<id>')
    .description('stop a command, if it still can be stopped')
    .action((id: string) => actions.cancel(desk(), id));
}

function addEvents(program: Command, desk: () => Desk): void {
  program
    .command('events')
    .option('--site <id>', 'of this site only')
    .addOption(
      new Option('--type <type>', 'of this type only').choices([
        'worker_deployment',
        'config_change',
        'health_check',
      ]),
    )
    .option('--limit <n>', 'how many', listLimit, 20)
    .option('--follow', 'show what happens from now on, until Ctrl-C; with --json one event per line')
    .description('list what has happened on the VPSes')
    .action((options: EventsOptions) => events(desk(), options));
}

function addDeadLetters(program: Command, desk: () => Desk): void {
  const letters = program
    .command('deadletters')
    .description('entries that could not be handled, at the edge or on a VPS');
  letters
    .command('list', { isDefault: true })
    .option('--orchestrator <id>', 'of this orchestrator only')
    .description('list them')
    .action(({ orchestrator }: { orchestrator?: string }) => listLetters(desk(), orchestrator));
  letters
    .command('show')
    .argument('<id>')
    .description('one of them, with the entry as it came')
    .action((id: string) => showLetter(desk(), id));
  letters
    .command('replay')
    .argument('<id>')
    .description('handle it once more')
    .action((id: string) => settleLetter(desk(), id, 'replay'));
  letters
    .command('drop')
    .argument('<id>')
    .description('give it up')
    .action((id: string) => settleLetter(desk(), id, 'drop'));
}

function addReceipts(program: Command, desk: () => Desk): void {
  const receipts = program.command('receipts').description('requests that were stored to be delivered');
  receipts
    .command('list', { isDefault: true })
    .option('--site <id>', 'of this site only')
    .addOption(new Option('--state <state>', 'in this state only').choices(receiptState.options))
    .option('--path <path>', 'whose URL begins with this')
    .option('--find <text>', 'in which this stands: an e-mail address, an order’s number …')
    .option('--since <date>', 'received at or after this')
    .option('--until <date>', 'received before this')
    .option('--limit <n>', 'how many', listLimit, 20)
    .description('list them, newest first')
    .action((options: ReceiptsOptions) => listReceipts(desk(), options));
  receipts
    .command('show')
    .argument('<id>')
    .description('one of them, with its history')
    .action((id: string) => showReceipt(desk(), id));
  receipts
    .command('redeliver')
    .argument('<id>')
    .description('deliver it once more, under the same Idempotency-Key')
    .action((id: string) => redeliver(desk(), id));
  receipts
    .command('erase')
    .argument('[id]', 'one receipt')
    .option('--site <id>', 'of this site …')
    .option('--value <text>', '… those in which this stands')
    .option('--all', '… all of them')
    .description('erase what customers sent; the receipts stay as tombstones')
    .action((id: string | undefined, options: EraseOptions) => eraseReceipts(desk(), id, options));
}

function addSecrets(program: Command, desk: () => Desk): void {
  const secrets = program
    .command('secrets')
    .description('a site’s secrets, which can be set and used, and never read again');
  secrets
    .command('set')
    .argument('<site>')
    .argument('<name>')
    .option('--file <file>', 'where the value is; else it is asked for, or read from standard input')
    .description('set a secret; a line break at the end of the value is left out')
    .action((site: string, name: string, { file }: { file?: string }) => setSecret(desk(), site, name, file));
  secrets
    .command('list')
    .argument('<site>')
    .description('list names and versions')
    .action((site: string) => listSecrets(desk(), site));
  secrets
    .command('delete')
    .argument('<site>')
    .argument('<name>')
    .description('delete a secret; what uses it fails from now on')
    .action((site: string, name: string) => deleteSecret(desk(), site, name));
}
