import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { ask } from './ask.ts';
import { edit } from './editor.ts';
import { askHidden } from './hidden.ts';
import { asComplaint, CliError, type Io, inert } from './io.ts';
import { createProgram } from './program.ts';

const io: Io = {
  env: process.env,
  cwd: process.cwd(),
  fetcher: fetch,
  wait: (ms) => pause(ms),
  now: Date.now,
  newId: randomUUID,
  readStdin: () => text(process.stdin),
  ask: process.stdin.isTTY ? ask : undefined,
  edit: process.stdin.isTTY ? edit : undefined,
  askHidden: process.stdin.isTTY ? askHidden : undefined,
  out: (line) => void process.stdout.write(`${inert(line)}\n`),
  width: process.stdout.columns,
  err: (line) => void process.stderr.write(`${inert(line)}\n`),
};

// Whoever reads has seen enough, as in "clawctl events --follow | head".
process.stdout.on('error', (error) => {
  if (!('code' in error) || error.code !== 'EPIPE') throw error;
  process.exit();
});

const program = createProgram(io);
try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CliError)) throw error;
  io.err(asComplaint(error.message, program.opts()['json'] === true));
  process.exitCode = 1;
}
