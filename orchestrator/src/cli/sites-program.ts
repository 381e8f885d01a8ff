import type { Command } from 'commander';
import type { Desk } from './desk.ts';
import { listKeys, revokeKey } from './keys.ts';
import * as moves from './moves.ts';
import * as sites from './sites.ts';
import { type DeleteOptions, deleteSite } from './sites-delete.ts';

const collect = (value: string, previous: readonly string[]): string[] => [...previous, value];

/** `clawctl sites …`. */
export function addSites(program: Command, desk: () => Desk): void {
  const command = program.command('sites').description('the organisation’s sites');
  command
    .command('list', { isDefault: true })
    .option('--label <name=value>', 'that have this label; may be repeated', collect, [])
    .description('list them')
    .action((options: sites.SitesOptions) => sites.listSites(desk(), options));
  command
    .command('show')
    .argument('<site>')
    .description('one of them, with what is queued for it')
    .action((id: string) => sites.showSite(desk(), id));
  command
    .command('create')
    .argument('<site>', 'its id, for good')
    .option('--name <name>')
    .option('--orchestrator <id>', 'where it runs; the only one when there is one')
    .option('--label <name=value>', 'may be repeated', collect, [])
    .option('--hostname <name>', 'a host name that leads to it; may be repeated', collect, [])
    .description('make one, which serves nothing until it is configured')
    .action((id: string, options: sites.CreateOptions) => sites.createSite(desk(), id, options));
  command
    .command('import')
    .argument('[customers...]', 'their ids; all of them when none is named')
    .option('--orchestrator <id>', 'where they run; the only one when there is one')
    .description('make sites of the existing API’s customers; those that are sites already are passed over')
    .action((ids: string[], options: { orchestrator?: string }) => sites.importSites(desk(), ids, options));
  command
    .command('label')
    .argument('<site>')
    .argument('<labels...>', 'name=value sets one, name- takes it away')
    .description('change labels')
    .action((id: string, labels: string[]) => sites.labelSite(desk(), id, labels));
  for (const [act, description] of [
    ['pause', 'its customers get 503'],
    ['resume', 'it answers again'],
  ] as const) {
    command
      .command(act)
      .argument('<site>')
      .description(description)
      .action((id: string) => sites.pauseSite(desk(), id, act === 'pause'));
  }
  addHostnames(command, desk);
  command
    .command('move')
    .argument('<site>')
    .argument('[orchestrator]', 'one of the organisation, which is connected')
    .option('--detach', 'do not wait until it is there')
    .option('--cancel', 'take it back, while the other one does not have it yet')
    .description('move one to another orchestrator, live: nothing is lost, and its links go on working')
    .action((id: string, to: string | undefined, options: moves.MoveOptions) =>
      moves.moveSite(desk(), id, to, options),
    );
  command
    .command('delete')
    .argument('<site>')
    .option('--force', 'give up what is still queued for it')
    .option('--erase', 'erase what customers sent now; else it is kept for its time')
    .option('--yes', 'do not ask')
    .description('delete one; what is still queued for it and which Workers serve on is said first')
    .action((id: string, options: DeleteOptions) => deleteSite(desk(), id, options));
}

/** `clawctl orchestrators …`. */
export function addOrchestrators(program: Command, desk: () => Desk): void {
  const command = program.command('orchestrators').description('the organisation’s orchestrators');
  command
    .command('list', { isDefault: true })
    .description('list them')
    .action(() => sites.listOrchestrators(desk()));
  command
    .command('evacuate')
    .argument('<orchestrator>', 'which may be gone for good: everything comes from the edge')
    .requiredOption('--to <orchestrator>', 'one that is connected')
    .description('move all of its sites, and wait for them')
    .action((id: string, { to }: { to: string }) => moves.evacuate(desk(), id, to));
  command
    .command('keys')
    .argument('<orchestrator>')
    .description('the keys it may dial with, and who revoked which')
    .action((id: string) => listKeys(desk(), id));
  command
    .command('revoke-key')
    .argument('<orchestrator>')
    .argument('<kid>')
    .option('--yes', 'it is meant')
    .description('end a key that is lost or replaced: its sockets are cut within 5 s')
    .action((id: string, kid: string, { yes }: { yes?: true }) => revokeKey(desk(), id, kid, yes === true));
}

function addHostnames(command: Command, desk: () => Desk): void {
  const hostnames = command.command('hostnames').description('host names that lead to a site');
  for (const change of ['add', 'remove'] as const) {
    hostnames
      .command(change)
      .argument('<site>')
      .argument('<names...>')
      .description(`${change} host names`)
      .action((id: string, names: string[]) => sites.changeHostnames(desk(), id, change, names));
  }
}
