import type { Desk } from './desk.ts';
import { CliError } from './io.ts';

/** At a terminal a change is made only when somebody says yes. Throws `CliError` otherwise. */
export async function confirm({ io, json }: Desk, question: string): Promise<void> {
  if (json || io.ask === undefined) return;
  const answer = await io.ask(`${question} [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError('nothing was changed');
}

/** What reaches far: where nobody can be asked it is refused with this sentence, which says what is to be said. */
export async function insist(desk: Desk, question: string, refusal: string, canAsk = true): Promise<void> {
  if (desk.json || desk.io.ask === undefined || !canAsk) throw new CliError(refusal);
  await confirm(desk, question);
}
