import { CONTROL_LANE } from '@clawdbot/protocol';
import { objectFailure, reach, unwrap } from '../../ask.ts';
import type { Control } from '../control.ts';
import type { Facts } from '../facts.ts';
import type { Intake } from '../intake.ts';
import type { After } from '../liveness.ts';
import type { ChannelRpc, RelayReply, SiteCall } from '../rpc.ts';
import type { Stale } from '../stale.ts';
import type { Waiting } from '../waiting.ts';
import { Arrivals } from './arrivals.ts';
import { Baggage } from './baggage.ts';
import type { MoveBook } from './book.ts';
import { Departures, type DeparturesParts } from './departures.ts';
import { Hands } from './hands.ts';
import { Ledger } from './ledger.ts';
import { Moves, type MovesParts } from './moves.ts';

type Peer = Pick<ChannelRpc, 'arrival' | 'siteMove'>;

export interface OpenMovesOptions
  extends Pick<MovesParts, 'wakeAt' | 'onWork' | 'onStored'>,
    Pick<DeparturesParts, 'onStep'> {
  readonly facts: Facts;
  readonly storage: SqlStorage;
  readonly db: D1Database;
  readonly book: MoveBook;
  readonly control: Control;
  readonly intake: Intake;
  readonly stale: Stale;
  readonly waiting: Waiting;
  readonly after: After;
  /** The object of another lane, by its name. */
  readonly peer: (name: string) => Peer;
}

/** Of a page of 4 MiB, and the new object's work on it. */
const MESSAGE_DEADLINE_MS = 10_000;

/** Puts together what moves sites. */
export function openMoves({ facts, storage, db, peer, waiting, onStep, ...options }: OpenMovesOptions) {
  const { book, control, intake, stale, after } = options;
  const { receipts, now } = facts;
  const baggage = new Baggage({ ...facts, storage });
  const hands = new Hands(now);
  const object = (orchestratorId: string) => peer(`${orchestratorId}/${CONTROL_LANE}`);
  const departures = new Departures({
    ...facts,
    ...{ book, baggage, hands, control, intake, stale, after },
    ledger: new Ledger({ ...facts, db }),
    onStep,
    onAboard: (ids) => {
      for (const id of ids) waiting.later(id);
    },
    tell: async (orchestratorId, message) =>
      unwrap(await reach(object(orchestratorId).arrival(message), MESSAGE_DEADLINE_MS)),
  });
  const arrivals = new Arrivals({ ...facts, book, baggage, control, intake });
  const moves = new Moves({
    ...{ book, baggage, hands, departures, arrivals, receipts, now, after },
    ...options,
    ask: async (orchestratorId, moveId) => unwrap(await reach(object(orchestratorId).siteMove(moveId))),
  });
  return { book, baggage, hands, departures, arrivals, moves };
}

/** A customer's request, by the object that has its site now. */
export async function relayThere(channel: Pick<ChannelRpc, 'relay'>, call: SiteCall): Promise<RelayReply> {
  try {
    return unwrap(await channel.relay(call));
  } catch (thrown) {
    throw objectFailure(thrown);
  }
}
