import { Failure } from '@clawdbot/protocol';
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
