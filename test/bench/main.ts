/** `npm run bench -- <name> [options]`: one benchmark; without a name `relay`. */
import { config } from './config/config.ts';
import { deploy } from './deploy/deploy.ts';
import { fleet } from './fleet/fleet.ts';
import { idle } from './idle/idle.ts';
import { lanes } from './lanes/lanes.ts';
import { relay } from './relay/relay.ts';
import { streams } from './streams/streams.ts';
import { sync } from './sync/sync.ts';

const BENCHMARKS = { relay, lanes, streams, idle, sync, config, deploy, fleet };
const DEFAULT = 'relay';

const usage = (): string =>
  [
    'npm run bench -- <name> [options]',
    ...Object.entries(BENCHMARKS).map(([name, { about, options }]) => `  ${name} ${options}\n      ${about}`),
  ].join('\n');

/** An option without a name before it belongs to the default. */
function chosen([first, ...rest]: string[]): { name: string; args: string[] } {
  if (first === undefined) console.log(`${usage()}\n`);
  if (first === undefined || first.startsWith('-')) {
    return { name: DEFAULT, args: first === undefined ? [] : [first, ...rest] };
  }
  return { name: first, args: rest };
}

async function main(): Promise<number> {
  const { name, args } = chosen(process.argv.slice(2));
  const found = Object.entries(BENCHMARKS).find(([known]) => known === name)?.[1];
  if (found === undefined) {
    console.error(`There is no benchmark "${name}".\n${usage()}`);
    return 2;
  }
  return found.run(args);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
// A child that hangs must not keep the terminal.
process.exit();
