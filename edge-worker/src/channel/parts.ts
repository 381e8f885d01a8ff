import { CONTROL_LANE } from '@clawdbot/protocol';
import { reach } from '../ask.ts';
import type { Cipher } from '../cipher.ts';
import type { HubUpdate } from '../hub/rpc.ts';
import { Signatures } from '../signature/signatures.ts';
import { Visitors } from '../signature/visitors.ts';
import { Alarm } from './alarm.ts';
import { CallLane } from './call-lane.ts';
import { Chore } from './chore.ts';
import { CommandFacts } from './command-facts.ts';
import { CommandNews } from './command-news.ts';
import { CommandProjection } from './command-projection.ts';
import { ConfigStates } from './config-state.ts';
import { Control } from './control.ts';
import { Door } from './door.ts';
import { openFacts } from './facts.ts';
import { Greeting } from './greeting.ts';
import { Handling } from './handling.ts';
import { Handovers, handoverAt } from './handovers.ts';
import { Intake } from './intake.ts';
import { Lane } from './lane.ts';
import { MoveNews } from './move/news.ts';
import { openMoves, relayThere } from './move/open.ts';
import { Projector } from './projector.ts';
import { PublicConfigs } from './public-config.ts';
import { Quota } from './quota.ts';
import { Removals } from './removals.ts';
import { Resync } from './resync.ts';
import { Revocations } from './revocations.ts';
import { Routes } from './routes.ts';
import type { ChannelRpc } from './rpc.ts';
import { RunningRoutes } from './running.ts';
import { Secrets } from './secrets.ts';
import type { Connected } from './session.ts';
import { SharedRows } from './shared-rows.ts';
import { Stale } from './stale.ts';
import type { ChoreName } from './store.ts';
import { Succession } from './succession.ts';
import { openSupply } from './supply.ts';
import { Tallies } from './tallies.ts';
import { Telling } from './telling.ts';
import { after } from './timer.ts';
import { Waiting } from './waiting.ts';

/** What the objects of one orchestrator's lanes ask of each other. */
type PeerLane = Pick<ChannelRpc, 'incumbency' | 'supersede' | 'arrival' | 'siteMove' | 'relay'>;

export interface PartsOptions {
  readonly ctx: DurableObjectState;
  readonly db: D1Database;
  readonly cipher: Cipher;
  readonly sessions: () => Connected[];
  /** The object of another lane, by its name. */
  readonly peer: (name: string) => PeerLane;
  /** Tells the organisation's Hub. */
  readonly publish: (orgId: string, update: HubUpdate) => Promise<void>;
}

export type Parts = ReturnType<typeof openParts>;

/** Opens the object's database and puts its parts together: what the runtime gives goes in here, once. */
export function openParts({ ctx, db, cipher, sessions, peer, publish }: PartsOptions) {
  const facts = openFacts(ctx, cipher);
  const { sql, meta, now, orgId, orchestratorId, logs, projection, remoteLetters, state } = facts;
  const { outbox } = logs.control;
  const secrets = new Secrets({ ...facts, storage: ctx.storage.sql, cipher });
  const control = new Control({ ...facts, outbox, secrets });
  const waiting = new Waiting(after);
  const tallies = new Tallies(now);
  const handling = new Handling({
    ...{ ...facts, letters: remoteLetters, waiting },
    receipts: {
      report: (report) => {
        facts.receipts.report(report);
        moving.moves.reported(report);
        tallies.reported(report);
      },
    },
  });
  const telling = new Telling({
    ...facts,
    news: new CommandNews(sql, orchestratorId),
    moves: new MoveNews({ sql, book: facts.moves, orchestratorId, now }),
    presence: () => facts.presence.current,
    after,
    publish: async (update) => {
      const org = orgId();
      if (org !== undefined) await publish(org, update);
    },
  });
  const sharedRows = new SharedRows({
    ...{ sql, meta, outbox, orchestratorId, orgId, db, now },
    onAppended: () => {
      lane.pump();
      telling.note('logs');
    },
  });
  const projector = new Projector({
    projections: [new CommandProjection(new CommandFacts(sql)), projection],
    ...{ orchestratorId, orgId, db },
    onWritten: () => {
      lane.tellProjected();
      telling.note('counts');
    },
  });
  const alarm = new Alarm(ctx.storage);
  const background = (task: Promise<unknown>) => ctx.waitUntil(task);
  const wakeAt = (at: number) => alarm.by(at);
  const chore = (name: ChoreName, work: () => Promise<void>) =>
    new Chore({ name, work, meta, now, background, wakeAt });
  const chores = {
    projection: chore('projection', () => projector.drain()),
    sharedRows: chore('shared_rows', () => sharedRows.drain()),
    moves: chore('moves', () => moving.moves.depart()),
    arrivals: chore('arrivals', () => moving.moves.arrive()),
  };
  const resync = new Resync({
    ...facts,
    control,
    letters: remoteLetters,
    shareAgain: () => sharedRows.restart(),
  });
  const stale = new Stale({ sql, storage: ctx.storage.sql, now });
  const book = facts.moves;
  const intake = new Intake({
    ...facts,
    outbox: logs.queue.outbox,
    waiting,
    tallies,
    passOn: (call) => relayThere(peer(`${book.elsewhere(call.siteId)}/${CONTROL_LANE}`), call),
    isReachable: () => lane.isReachable,
    pushParcel: (receiptId, parcel) => {
      moving.hands.give(receiptId);
      lane.pushParcel(receiptId, parcel);
    },
    onStored: () => {
      lane.pump();
      telling.note('logs');
      const due = facts.receipts.nextDue();
      if (due !== undefined) background(alarm.by(due));
    },
  });
  const moving = openMoves({
    ...{ facts, storage: ctx.storage.sql, db, book, control, intake, stale, waiting, after, peer, wakeAt },
    // A turn later: it may be said inside a transaction.
    onWork: () =>
      void after(0, () => {
        chores.moves.start();
        chores.arrivals.start();
      }),
    onStep: () => telling.note('logs'),
    onStored: () => {
      lane.pump();
      telling.note('logs');
      chores.projection.start();
    },
  });
  const greeting = new Greeting({
    ...facts,
    ...{ control, events: projection, letters: remoteLetters, intake, resync },
  });
  const succession = new Succession({ ...facts, greeting });
  const lane = new Lane({
    ...facts,
    supply: openSupply({ ...facts, secrets, tallies, intake, moves: moving.moves }),
    control,
    handling,
    greeting,
    succession,
    waiting,
    events: projection,
    sessions,
    onTakenOver: (by, lanes) => {
      for (let n = 1; n < lanes; n++) background(tell(peer(`${orchestratorId}/${n}`).supersede(by), n));
    },
    onConnected: (state) => {
      chores.sharedRows.start();
      background(alarm.by(handoverAt(state)));
    },
    onNews: (news) => telling.note(news),
  });
  const callLane =
    facts.lane === CONTROL_LANE
      ? undefined
      : new CallLane({
          ...{ orchestratorId, lane: facts.lane, now, random: facts.random, sessions, background, tallies },
          onConnected: (state) => background(alarm.by(handoverAt(state))),
          incumbency: () => reach(peer(`${orchestratorId}/${CONTROL_LANE}`).incumbency(), PEER_DEADLINE_MS),
        });
  const quota = new Quota({ now });
  const signing = { now, secret: (siteId: string, name: string) => secrets.get(siteId, name) };
  const [signatures, visitors] = [new Signatures(signing), new Visitors(signing)];
  const running = new RunningRoutes(facts.configs, facts.reports);
  const door = new Door({ ...facts, routes: running, quota, signatures, visitors, intake, stale, lane });
  const routes = new Routes({ ...facts, running });
  const configStates = new ConfigStates({
    ...facts,
    running,
    secrets,
    workers: () => state.status?.workers ?? [],
  });
  const publicConfigs = new PublicConfigs({
    ...facts,
    running: (siteId) => facts.reports.running(siteId)?.generation,
    refused: (siteId) => facts.reports.lastFailure(siteId)?.generation,
  });
  return {
    ...{ ...facts, cipher, secrets, control, handling, telling, sharedRows, chores, alarm },
    handovers: new Handovers({ sessions, now }),
    revocations: new Revocations({ sql, sessions, now }),
    ...{ lane, callLane, succession, tallies, routes, configStates, publicConfigs, intake, door, ...moving },
    removal: new Removals({ ...facts, control, stale }),
  };
}

/** Within this the orchestrator still waits for its `joined` (HELLO_TIMEOUT_MS). */
const PEER_DEADLINE_MS = 4_000;

/** A lane that was not told asks by itself with its next calls. */
async function tell(told: Promise<void>, lane: number): Promise<void> {
  await reach(told, PEER_DEADLINE_MS).catch((error) =>
    console.warn(`lane ${lane} was not told that another process has taken over`, error),
  );
}
