import type { SiteMove } from '@clawdbot/protocol';
import type { Departure, DepartureState } from './book.ts';

/** What operators are told of each state. Until D1 names the new orchestrator, the move is not over. */
const SHOWN: Readonly<Record<DepartureState, SiteMove['state']>> = {
  preparing: 'preparing',
  moving: 'moving',
  committing: 'moving',
  moved: 'moving',
  following: 'moved',
  done: 'moved',
  undoing: 'undoing',
  undone: 'undone',
  closed: 'undone',
};

export function moveOf(departure: Departure, from: string): SiteMove {
  const { moveId, siteId, target, actor, state, beganAt, heldAt, movedAt, changedAt, reason } = departure;
  return {
    id: moveId,
    siteId,
    from,
    to: target,
    state: SHOWN[state],
    ...(reason === undefined ? {} : { reason }),
    receipts: departure.receipts,
    commands: departure.commands,
    workers: departure.workers,
    ...(heldAt === undefined ? {} : { heldAt }),
    ...(heldAt === undefined || movedAt === undefined ? {} : { pausedMs: movedAt - heldAt }),
    createdBy: actor,
    createdAt: beganAt,
    // What follows a move, half a minute later, is nothing that it went through.
    updatedAt: movedAt ?? changedAt,
  };
}
