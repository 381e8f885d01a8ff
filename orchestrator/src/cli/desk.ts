import type { Edge } from './edge.ts';
import { asJson, type Io } from './io.ts';

/** What every action on the edge is given. */
export interface Desk {
  readonly edge: Edge;
  readonly io: Io;
  /** Where the edge is, as Workers are told it. */
  readonly places: { readonly edgeUrl: string; readonly relayUrl: string | undefined };
  /** `--json`. */
  readonly json: boolean;
}

/** A time as tables have it, in UTC. */
export const when = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').slice(0, 19);

/** A result, for people or with `--json` for programs. */
export function show({ io, json }: Pick<Desk, 'io' | 'json'>, value: unknown, text: () => string): void {
  io.out(json ? asJson(value) : text());
}
