import type { Desk } from './desk.ts';
import { CliError } from './io.ts';

/** At a terminal a change is made only when somebody says yes. Throws `CliError` otherwise. */
export async function confirm({ io, json }: Desk, question: string): Promise<void> {
  if (json || io.ask === undefined) return;
  const answer = await io.ask(`${question} [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError('nothing was changed');
}
