/** `npm start` and, with `--watch`, `npm run dev`: the whole system on this machine until Ctrl-C. */
import { guide } from './guide.ts';
import { Sandbox } from './sandbox.ts';
import { reloadOnChange } from './watch.ts';

const dev = process.argv.includes('--watch');
const say = (line: string) => console.log(line);

function fail(error: unknown): never {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

const sandbox = await Sandbox.prepare({
  dir: '.sandbox',
  ports: 'usual',
  output: dev ? 'terminal' : 'files',
  demoPage: true,
  say,
}).catch(fail);

let stopping = false;
let stopWatching = () => {};

async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  stopWatching();
  await sandbox.stop();
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(0));

// A killed npm leaves us behind without a word; nobody could stop us then, and our ports stay taken.
const npm = process.env['npm_lifecycle_event'] === undefined ? undefined : process.ppid;
if (npm !== undefined) setInterval(() => process.ppid !== npm && void stop(0), 500).unref();

try {
  say('Starting the sandbox …');
  await sandbox.start();
  say(guide(sandbox.file, process.uptime().toFixed(1), dev ? 'below' : '.sandbox/logs/'));
  if (dev) stopWatching = reloadOnChange(sandbox, say);
} catch (error) {
  if (!stopping) {
    console.error(error instanceof Error ? error.message : error);
    await stop(1);
  }
}
