import {
  type CommandSummary,
  type Event,
  isFinal,
  isMoveOver,
  type LiveOrchestrator,
  type LiveSnapshot,
  type LiveUpdate,
  type SiteMove,
} from '@clawdbot/protocol';

/** What the page keeps of a tail without an end: a screen or two of events, and what has just been done. */
export const EVENTS_MAX = 200;
export const ENDED_COMMANDS_MAX = 50;
/** An evacuation is to be seen as a whole. */
const ENDED_MOVES_MAX = 1_000;

/** All that the page shows, as of one position. */
export interface Picture {
  /** By id. */
  readonly orchestrators: readonly LiveOrchestrator[];
  /** Open ones, oldest first, then those that ended, the last one first. */
  readonly commands: readonly CommandSummary[];
  /** Those under way, the first one first, then those that ended, the last one first. */
  readonly moves: readonly SiteMove[];
  /** Newest first. */
  readonly events: readonly Event[];
  /** Events that happened since the snapshot and were not told one by one. */
  readonly missed: number;
}

export const isOpen = ({ state }: CommandSummary): boolean => !isFinal(state);

/** A snapshot replaces all that was known. */
export const pictureOf = (snapshot: LiveSnapshot): Picture => ({
  orchestrators: byId(snapshot.orchestrators),
  commands: inOrder(snapshot.commands),
  moves: movesInOrder(snapshot.moves),
  events: tail(snapshot.events, []),
  missed: 0,
});

/** The picture with an update's changes: the latest of each orchestrator, command and move, and each event once. */
export const withUpdate = (picture: Picture, update: LiveUpdate): Picture => ({
  orchestrators: byId(replaced(picture.orchestrators, update.orchestrators)),
  commands: inOrder(replaced(picture.commands, update.commands)),
  moves: movesInOrder(replaced(picture.moves, update.moves)),
  events: tail(update.events, picture.events),
  missed: picture.missed + update.missed,
});

interface Named {
  readonly id: string;
}

function replaced<T extends Named>(before: readonly T[], changes: readonly T[]): T[] {
  return [...new Map([...before, ...changes].map((item) => [item.id, item])).values()];
}

const byId = (orchestrators: readonly LiveOrchestrator[]): LiveOrchestrator[] =>
  orchestrators.toSorted((a, b) => (a.id < b.id ? -1 : 1));

function inOrder(commands: readonly CommandSummary[]): CommandSummary[] {
  const open = commands.filter(isOpen).sort((a, b) => a.createdAt - b.createdAt);
  const ended = commands.filter((command) => !isOpen(command)).sort((a, b) => b.updatedAt - a.updatedAt);
  return [...open, ...ended.slice(0, ENDED_COMMANDS_MAX)];
}

function movesInOrder(moves: readonly SiteMove[]): SiteMove[] {
  const open = moves.filter((move) => !isMoveOver(move)).sort((a, b) => a.createdAt - b.createdAt);
  const ended = moves.filter(isMoveOver).sort((a, b) => b.updatedAt - a.updatedAt);
  return [...open, ...ended.slice(0, ENDED_MOVES_MAX)];
}

/** @param news oldest first @param known newest first */
function tail(news: readonly Event[], known: readonly Event[]): Event[] {
  const ids = new Set(known.map(({ id }) => id));
  const fresh = news.filter(({ id }) => !ids.has(id));
  return [...fresh.toReversed(), ...known].slice(0, EVENTS_MAX);
}
