import type { Command } from 'commander';
import { withWorker } from './deploy-command.ts';
import { deployFleet, type FleetOptions } from './deploy-fleet.ts';
import { type AdoptOptions, adopt, listDeployments, type RollbackOptions, rollback } from './deployments.ts';
import type { Desk } from './desk.ts';
import { listLimit } from './limit.ts';
import { collect, share, whole } from './options.ts';

export function addDeployments(program: Command, desk: () => Desk): void {
  program
    .command('deployments')
    .option('--site <id>', 'of this site only')
    .option('--worker <name>', 'of this Worker only')
    .option('--limit <n>', 'how many', listLimit, 20)
    .description('list deployments, rollbacks and adoptions, newest first, and how far each has come')
    .action(({ worker, ...query }: { site?: string; worker?: string; limit: number }) =>
      listDeployments(desk(), { ...query, ...(worker === undefined ? {} : { name: worker }) }),
    );
  program
    .command('rollback')
    .argument('<worker>')
    .option('--to <version>', 'one of the last 100; else the one that served everybody before')
    .option('--site <id>', 'the site it belongs to; the only one when there is one')
    .option('--force', 'also behind a change of the Worker’s secrets')
    .option('--detach', 'do not wait: it is done when the orchestrator is there')
    .description('give an earlier version of a Worker all traffic, and wait for the end')
    .action((name: string, options: RollbackOptions) => rollback(desk(), name, options));
  program
    .command('adopt')
    .argument('<worker>')
    .option('--site <id>', 'the site it is to belong to; the only one when there is one')
    .option('--detach', 'do not wait: it is done when the orchestrator is there')
    .description('take a Worker that is in the account already, as it is, and wait for the end')
    .action((name: string, options: AdoptOptions) => adopt(desk(), name, options));
}

export function addFleet(program: Command, desk: () => Desk): void {
  withWorker(
    program
      .command('fleet')
      .argument('[path]', 'a folder or a file, as of deploy, or the payload of deploy_worker as .json or "-"')
      .option(
        '--label <name=value>',
        'the sites that have this label; else all; may be repeated',
        collect,
        [],
      )
      .option('--yes', 'do not ask, where no label is given'),
  )
    .option('--rate <n>', 'deployments begun in a minute', whole, 60)
    .option('--at-once <n>', 'deployments that have not ended', whole, 10)
    .option('--abort-min <n>', 'begin nothing more when so many have failed …', whole, 5)
    .option(
      '--abort-share <0..1>',
      '… and they are more than this share of those that have ended',
      share,
      0.1,
    )
    .option('--resume <id>', 'go on with a run that was broken off')
    .description('deploy a Worker to every site, or those with some labels, each its own')
    .action((path: string | undefined, options: FleetOptions) => deployFleet(desk(), path, options));
}
