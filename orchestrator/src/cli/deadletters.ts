import type { DeadLetter } from '@clawdbot/protocol';
import { type Desk, show, when } from './desk.ts';
import { asJson, list } from './io.ts';

/** Of all orchestrators, or one: what could not be handled at the edge or on the VPS. */
export async function listLetters(desk: Desk, orchestrator: string | undefined): Promise<void> {
  const { items, next } = await desk.edge.deadLetters(orchestrator);
  show(desk, items, () => {
    const rows = items.map(({ id, side, entryType, state, at, attempts, error }) => [
      id,
      side,
      entryType ?? '',
      state,
      when(at),
      String(attempts),
      error,
    ]);
    return list(['DEAD LETTER', 'AT', 'ENTRY', 'STATE', 'DIED', 'TRIES', 'WHY'], rows);
  });
  if (next !== null) desk.io.err('there are more: replay or drop some of these, or name --orchestrator');
}

/** One dead letter, with the entry as it came. */
export async function showLetter(desk: Desk, id: string): Promise<void> {
  desk.io.out(asJson(await desk.edge.deadLetter(id)));
}

/** Has a dead letter handled once more, or gives it up. */
export async function settleLetter(desk: Desk, id: string, act: 'replay' | 'drop'): Promise<void> {
  const letter = await desk.edge.settleLetter(id, act);
  show(desk, letter, () => `${id} is ${act === 'replay' ? 'handled once more' : 'given up'}${later(letter)}`);
}

const later = ({ state }: DeadLetter): string =>
  state === 'dead' ? '' : ' as soon as the orchestrator is told';
