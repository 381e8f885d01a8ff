import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { CliError } from './io.ts';

/** Asks at the terminal for a line that is not shown while it is typed. Throws `CliError` on Ctrl-C and Ctrl-D. */
export async function askHidden(question: string): Promise<string> {
  process.stderr.write(question);
  // readline edits the line, and what it would show goes nowhere.
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output, terminal: true, historySize: 0 });
  const given = Promise.withResolvers<never>();
  terminal.once('close', () => given.reject(new CliError('nothing was given, and nothing was set')));
  try {
    return await Promise.race([terminal.question(''), given.promise]);
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}
