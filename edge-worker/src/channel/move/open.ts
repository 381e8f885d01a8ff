import { CONTROL_LANE } from '@clawdbot/protocol';
import { objectFailure, reach, unwrap } from '../../ask.ts';
import type { Control } from '../control.ts';
import type { Facts } from '../facts.ts';
import type { Intake } from '../intake.ts';
import type { After } from '../liveness.ts';
import type { RelayReply, SiteCall } from '../relay-rpc.ts';
import type { ChannelRpc } from '../rpc.ts';
import type { Stale } from '../stale.ts';
import type { Waiting } from '../waiting.ts';
import { Answers } from './answers.ts';
import { Arrivals } from './arrivals.ts';
import { Back } from './back.ts';
import { Baggage } from './baggage.ts';
import type { MoveBook } from './book.ts';
import { Cargo } from './cargo.ts';
import { Departures, type DeparturesParts } from './departures.ts';
import { Forward } from './forward.ts';
import { Freight } from './freight.ts';
import { Hands } from './hands.ts';
import { HeldCommands } from './held-commands.ts';
import { keptWorkers } from './kept-workers.ts';
import { Ledger } from './ledger.ts';
import { Moves, type MovesParts } from './moves.ts';
import { Passage } from './passage.ts';

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
  const { sql, receipts, blobs, now } = facts;
  const { outbox } = facts.logs.control;
  const cargo = new Cargo(storage);
  const baggage = new Baggage({ ...facts, storage, cargo });
  const answers = new Answers({ sql, storage, cargo, stale });
  const held = new HeldCommands({ ...facts, outbox, cargo });
  const hands = new Hands(now);
  const ledger = new Ledger({ ...facts, db });
  const object = (orchestratorId: string) => peer(`${orchestratorId}/${CONTROL_LANE}`);
  const passage = new Passage({
    ...{ sql, book, after, onStep },
    tell: async (orchestratorId, message) =>
      unwrap(await reach(object(orchestratorId).arrival(message), MESSAGE_DEADLINE_MS)),
  });
  const workers = (siteId: string) => keptWorkers(facts, siteId);
  const freight = new Freight({
    ...{ sql, book, passage, baggage, cargo, answers, blobs, workers, commands: held },
    onAboard: (ids) => {
      for (const id of ids) waiting.later(id);
      onStep();
    },
  });
  const forward = new Forward({
    ...facts,
    ...{
      book,
      passage,
      freight,
      cargo,
      baggage,
      hands,
      held,
      control,
      stale,
      workers,
      ledger,
      after,
      onStep,
    },
  });
  const back = new Back({ passage, baggage, held, intake, ledger });
  const departures = new Departures({
    ...facts,
    ...{ book, passage, forward, back, control, ledger, onStep },
  });
  const arrivals = new Arrivals({ ...facts, book, baggage, cargo, answers, held, stale, control, intake });
  const moves = new Moves({
    ...{ book, baggage, hands, held, departures, forward, arrivals, receipts, now, after },
    ...options,
    ask: async (orchestratorId, moveId) => unwrap(await reach(object(orchestratorId).siteMove(moveId))),
  });
  return { book, baggage, hands, departures, moves };
}

/** A customer's request, by the object that has its site now. */
export async function relayThere(channel: Pick<ChannelRpc, 'relay'>, call: SiteCall): Promise<RelayReply> {
  try {
    return unwrap(await channel.relay(call));
  } catch (thrown) {
    throw objectFailure(thrown);
  }
}
