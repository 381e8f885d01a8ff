import type { DeadLetter, DeadLetterDetail, Letter } from '@clawdbot/protocol';
import { type LetterPlace, letterId, letterPlace, noLetter } from './letter-id.ts';
import { LOGS_IN_ORDER, type Logs } from './logs.ts';
import { entryTypeOf, type RemoteLetters } from './remote-letters.ts';
import type { LetterPage } from './rpc.ts';

export interface LettersParts {
  readonly logs: Logs;
  readonly remote: RemoteLetters;
  readonly orchestratorId: string;
}

/** A cursor that is a number goes on among the VPS's own, one that is an id behind that letter of this object. */
const REMOTE = /^\d{1,15}$/;

/** All dead letters of an orchestrator: entries of its that could not be handled here, then those that lie on the VPS. */
export class Letters {
  readonly #parts: LettersParts;

  constructor(parts: LettersParts) {
    this.#parts = parts;
  }

  /** Throws `Failure('not_found')` on a cursor that no page gave. */
  list(limit: number, after: string | undefined): LetterPage {
    const own = after !== undefined && REMOTE.test(after) ? [] : this.#own(limit + 1, after);
    if (own.length > limit) return { items: own.slice(0, limit), next: own[limit - 1]?.id ?? null };
    const behind = after !== undefined && REMOTE.test(after) ? Number(after) : 0;
    const rest = this.#parts.remote.list(limit - own.length + 1, behind);
    const shown = rest.slice(0, limit - own.length);
    const items = [...own, ...shown.map(({ letter }) => letter)];
    return { items, next: rest.length > shown.length ? String(shown.at(-1)?.n ?? 0) : null };
  }

  get(id: string): DeadLetterDetail {
    const place = letterPlace(id);
    if (place.side === 'orchestrator') return this.#parts.remote.get(place);
    const letter = this.#letter(place);
    return { ...this.#shown(place, letter), body: letter.body };
  }

  /** The caller has what waits handled afterwards. */
  replay(id: string, actor: string): DeadLetter {
    const place = letterPlace(id);
    if (place.side === 'orchestrator') return this.#parts.remote.act(place, 'replay', actor);
    const shown = this.#shown(place, this.#letter(place));
    this.#parts.logs[place.log].inbox.replay(place);
    return { ...shown, state: 'replaying' };
  }

  drop(id: string, actor: string): DeadLetter {
    const place = letterPlace(id);
    if (place.side === 'orchestrator') return this.#parts.remote.act(place, 'drop', actor);
    const shown = this.#shown(place, this.#letter(place));
    this.#parts.logs[place.log].inbox.drop(place);
    return { ...shown, state: 'dropping' };
  }

  get count(): number {
    const { logs, remote } = this.#parts;
    return LOGS_IN_ORDER.reduce((sum, log) => sum + logs[log].inbox.depth().dead, remote.count);
  }

  /** This object's own, by log; behind the letter with the id `after`. */
  #own(limit: number, after: string | undefined): DeadLetter[] {
    const from = after === undefined ? undefined : letterPlace(after);
    const logs = from === undefined ? LOGS_IN_ORDER : LOGS_IN_ORDER.slice(LOGS_IN_ORDER.indexOf(from.log));
    const { orchestratorId } = this.#parts;
    return logs.flatMap((log) =>
      this.#parts.logs[log].inbox
        .letters(limit, from?.log === log ? from : undefined)
        .map((letter) => this.#shown({ orchestratorId, side: 'edge', log, ...letter }, letter)),
    );
  }

  #letter(place: LetterPlace): Letter {
    const letter = this.#parts.logs[place.log].inbox.letter(place);
    if (letter === undefined) throw noLetter(letterId(place));
    return letter;
  }

  #shown({ orchestratorId, log, logId, seq }: LetterPlace, letter: Letter): DeadLetter {
    const entryType = entryTypeOf(letter.body);
    const place = { orchestratorId, side: 'edge', log, seq } as const;
    return {
      id: letterId({ ...place, logId }),
      ...place,
      at: letter.failedAt,
      attempts: letter.attempts,
      error: letter.error,
      state: 'dead',
      ...(entryType === undefined ? {} : { entryType }),
    };
  }
}
