import { Failure } from '@clawdbot/protocol';
import type { Page } from '../data/cursor.ts';
import type { Orchestrators } from '../data/orchestrators.ts';

/** Where a list that several objects hold goes on: within one orchestrator's, or (`within` absent) behind it. */
export interface Place {
  readonly orchestratorId: string;
  readonly within: string | undefined;
}

export const placeText = (orchestratorId: string, within: string | null): string =>
  `${orchestratorId}:${within ?? ''}`;

/** @param within what a place within an orchestrator's list looks like. Throws `Failure('bad_request')`. */
export function parsePlace(text: string, within: RegExp): Place {
  const [, orchestratorId, inner] = /^([a-z0-9-]{1,63}):(.*)$/.exec(text) ?? [];
  if (orchestratorId === undefined || (inner !== '' && !within.test(inner ?? ''))) {
    throw new Failure('bad_request', 'after: expected the `next` of an earlier page');
  }
  return { orchestratorId, within: inner === '' ? undefined : inner };
}

/** Orchestrators in the order of the list, each with where to begin in it. */
export interface Asked {
  readonly places: readonly Place[];
  /** There are others behind these. */
  readonly more: boolean;
}

export interface WhomToAsk {
  readonly place: Place | undefined;
  /** The one orchestrator that is meant; else all of the organisation's, so many a page. */
  readonly only: string | undefined;
  readonly perPage: number;
}

/** Throws `Failure('not_found')` for an orchestrator that is not the organisation's. */
export async function whomToAsk(
  orchestrators: Orchestrators,
  { place, only, perPage }: WhomToAsk,
): Promise<Asked> {
  const begun = place?.within === undefined ? [] : [place];
  if (only !== undefined) {
    const { id } = await orchestrators.get(only);
    const places = place?.orchestratorId === id ? begun : [{ orchestratorId: id, within: undefined }];
    return { places, more: false };
  }
  for (const { orchestratorId } of begun) await orchestrators.get(orchestratorId);
  const { items, next } = await orchestrators.list(perPage, place?.orchestratorId);
  const rest = items.map(({ id }) => ({ orchestratorId: id, within: undefined }));
  return { places: [...begun, ...rest], more: next !== null };
}

/** One page of what several objects hold, asked one after the other; each gives what it has, up to what is left. */
export async function inTurn<T>(
  { places, more }: Asked,
  limit: number,
  ask: (place: Place, left: number) => Promise<Page<T>>,
): Promise<Page<T>> {
  const items: T[] = [];
  for (const place of places) {
    if (items.length === limit) return { items, next: placeBefore(places, place.orchestratorId) };
    const page = await ask(place, limit - items.length);
    items.push(...page.items);
    if (page.next !== null) return { items, next: placeText(place.orchestratorId, page.next) };
  }
  const last = places.at(-1)?.orchestratorId;
  return { items, next: more && last !== undefined ? placeText(last, null) : null };
}

/** Behind the orchestrator that comes before this one in the list. */
function placeBefore(places: readonly Place[], orchestratorId: string): string {
  const at = places.findIndex((place) => place.orchestratorId === orchestratorId);
  return placeText(places[at - 1]?.orchestratorId ?? '', null);
}
