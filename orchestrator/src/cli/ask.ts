import { createInterface } from 'node:readline/promises';
import { CliError } from './io.ts';

/** Asks at the terminal, on standard error, for a line. Throws `CliError` on Ctrl-C and Ctrl-D. */
export async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const given = Promise.withResolvers<never>();
  terminal.once('close', () => given.reject(new CliError('nothing was answered, and nothing was changed')));
  try {
    return await Promise.race([terminal.question(question), given.promise]);
  } finally {
    terminal.close();
  }
}
