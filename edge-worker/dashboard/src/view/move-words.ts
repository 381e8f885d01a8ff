import { type Event, isMoveOver, type SiteMove } from '@clawdbot/protocol';
import { duration } from './time.ts';

/** Ended moves are shown a while longer: who looks away for a coffee should see how it went. */
const ENDED_SHOWN_MS = 60 * 60_000;

const requests = (n: number): string => `${n.toLocaleString()} ${n === 1 ? 'request' : 'requests'}`;

/** How far a move is, and what that means for the site. */
export function stepOf(move: SiteMove): string {
  const { state, from, to, reason, waiting = 0, pausedMs, receipts } = move;
  const why = reason === undefined ? '' : `: ${reason}`;
  switch (state) {
    case 'preparing':
      return `${to} gets the config; the site works as before`;
    case 'moving':
      return `Requests to queued routes are stored and not sent; ${requests(waiting)} ${waiting === 1 ? 'waits' : 'wait'}`;
    case 'moved': {
      const crossed = receipts === 0 ? '' : `; ${requests(receipts)} crossed`;
      return `Done${pausedMs === undefined ? '' : `, stored requests waited ${pause(pausedMs)}`}${crossed}`;
    }
    case 'undoing':
      return `It is taken back${why}`;
    case 'undone':
      return `Taken back, the site works on ${from}${why}`;
  }
}

/** The pause of a move is short, and its length matters. */
export function pause(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : duration(ms);
}

/** Since when a move is where it is: held, or over, or begun. */
export const sinceOf = ({ state, heldAt, createdAt, updatedAt }: SiteMove): number =>
  state === 'preparing' ? createdAt : state === 'moving' ? (heldAt ?? updatedAt) : updatedAt;

/** Those under way, and those that have just ended. */
export const recent = (moves: readonly SiteMove[], now: number): SiteMove[] =>
  moves.filter((move) => !isMoveOver(move) || now - move.updatedAt < ENDED_SHOWN_MS);

/** Many sites that go the same way, as when a VPS is evacuated. */
export interface Direction {
  readonly from: string;
  readonly to: string;
  readonly underWay: number;
  /** Of those under way: requests are stored meanwhile. */
  readonly held: number;
  readonly moved: number;
  readonly undone: number;
}

/** Ways on which more than one site goes or went. */
export function directions(moves: readonly SiteMove[]): Direction[] {
  const ways = Map.groupBy(moves, ({ from, to }) => `${from} ${to}`);
  return [...ways.values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined || same.length < 2) return [];
    const count = (is: (move: SiteMove) => boolean) => same.filter(is).length;
    return {
      ...{ from: first.from, to: first.to },
      underWay: count((move) => !isMoveOver(move)),
      held: count((move) => !isMoveOver(move) && move.heldAt !== undefined),
      moved: count(({ state }) => state === 'moved'),
      undone: count(({ state }) => state === 'undone'),
    };
  });
}

/** What D1 has of a move's end, as an event: the live tail comes from the VPSes, which do not tell of moves. */
const eventOf = ({ id, siteId, from, to, state, reason, pausedMs, updatedAt }: SiteMove): Event => ({
  id: `evt_${id.split('_').at(-1)}`,
  type: 'config_change',
  siteId,
  orchestratorId: from,
  data: {
    ...{ status: state, name: `${from} → ${to}`, moveId: id },
    ...(reason === undefined ? {} : { error: reason }),
    ...(pausedMs === undefined ? {} : { pausedMs }),
  },
  createdAt: new Date(updatedAt).toISOString(),
  receivedAt: updatedAt,
  syncedToWorkers: true,
});

/** Events with the ends of moves among them, newest first, each once. Those older than every event are left out. */
export function withMoves(events: readonly Event[], moves: readonly SiteMove[]): readonly Event[] {
  const oldest = events.at(-1)?.receivedAt ?? 0;
  const known = new Set(events.map(({ id }) => id));
  const ends = moves
    .filter((move) => isMoveOver(move) && move.updatedAt >= oldest)
    .map(eventOf)
    .filter(({ id }) => !known.has(id));
  if (ends.length === 0) return events;
  return [...events, ...ends].sort((a, b) => b.receivedAt - a.receivedAt);
}
