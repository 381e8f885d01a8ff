import {
  API_CALLS_PER_WINDOW,
  API_WINDOW_S,
  BODY_CHUNK_BYTES_MAX,
  CALLS_OPEN_MAX,
  HEARTBEAT_MS,
  type Hello,
  type Joined,
  type LogName,
  type Orchestrator,
  type Positions,
  RELAY_BODY_BYTES_MAX,
  type Resync as ResyncFrame,
  TEXT_MESSAGE_BYTES_MAX,
  type Terms,
  type Welcome,
} from '@clawdbot/protocol';
import type { CommandRecall } from './command-recall.ts';
import type { Control } from './control.ts';
import type { EventProjection } from './event-projection.ts';
import type { Intake } from './intake.ts';
import { type DurableLog, LOGS_IN_ORDER, type Logs } from './logs.ts';
import type { Receipts } from './receipts.ts';
import type { RemoteLetters } from './remote-letters.ts';
import type { Resync } from './resync.ts';
import { standingOf } from './standing.ts';
import type { Meta } from './store.ts';

export interface GreetingParts {
  readonly meta: Meta;
  readonly logs: Logs;
  readonly recall: Pick<CommandRecall, 'endedSince'>;
  readonly control: Pick<Control, 'acknowledged'>;
  readonly events: Pick<EventProjection, 'projected'>;
  readonly letters: Pick<RemoteLetters, 'forget'>;
  readonly receipts: Pick<Receipts, 'acknowledged'>;
  readonly intake: Pick<Intake, 'offerAgain'>;
  readonly resync: Resync;
  readonly now: () => number;
  readonly newLogId: () => string;
}

/** What the two did not both know, in words, and what is lost for good by it. */
interface Differences {
  readonly reasons: string[];
  /** Of our logs: what the orchestrator will never get. */
  readonly unrecoverable: ResyncFrame['unrecoverable'];
  /** Entries of its logs that never came here, and never will. */
  lost: number;
}

/** Told until the orchestrator has it: the session that told it may have ended before. */
type Pending = Pick<ResyncFrame, 'reason' | 'unrecoverable'>;

/** A command lives no longer unless it is sent without an expiry; so old a backup has none that ended since. */
const FINISHED_MS = 30 * 24 * 60 * 60 * 1_000;
/** Ids in one frame: some 350 KB of the 1 MiB that a message may have. */
const FINISHED_PER_FRAME = 5_000;

/**
 * Where both logs go on in a new session, and what has to be said and done when the two sides do not know the same
 * (PROTOCOL L5, L11, L12). In the transaction of the admission.
 */
export class Greeting {
  readonly #parts: GreetingParts;

  constructor(parts: GreetingParts) {
    this.#parts = parts;
  }

  /** @returns the logs' part of `welcome`, and the `resync` frames that follow it, if any */
  agree(hello: Hello): { logs: Welcome['logs']; resync: ResyncFrame[] } {
    const differences: Differences = { reasons: [], unrecoverable: [], lost: 0 };
    const agreed: Partial<Record<LogName, Positions>> = {};
    for (const name of LOGS_IN_ORDER) {
      const theirs = hello.logs[name];
      if (theirs !== undefined) agreed[name] = this.#agreeOn(name, theirs, hello, differences);
    }
    const { control, queue } = agreed;
    if (control === undefined) throw new TypeError('hello names the control log, by its schema');
    if (hello.awaitsResync === true && differences.reasons.length === 0 && !this.#isPending()) {
      differences.reasons.push(
        'the orchestrator has a restored database, and asks which commands have ended',
      );
    }
    const pending = this.#note(differences);
    return {
      logs: { control, ...(queue === undefined ? {} : { queue }) },
      resync: pending === undefined ? [] : this.#frames(pending),
    };
  }

  /** The orchestrator has handled the last `resync` frame. */
  settled(): void {
    this.#parts.meta.set('resync_pending', null);
  }

  #isPending(): boolean {
    return this.#parts.meta.text('resync_pending') !== undefined;
  }

  #agreeOn(name: LogName, theirs: Positions, hello: Hello, differences: Differences): Positions {
    const log = this.#parts.logs[name];
    const { applied, resync, unrecoverable } = log.inbox.follow(theirs);
    if (resync !== undefined) differences.reasons.push(`${name}: of the orchestrator's log, ${resync}`);
    if (unrecoverable !== undefined) differences.lost += unrecoverable.to - unrecoverable.from + 1;
    const from = this.#sendFrom(log, theirs, hello, differences);
    if (name === 'control') this.#parts.control.acknowledged(from);
    else this.#parts.receipts.acknowledged(from);
    log.outbox.resume(from);
    const position = log.outbox.position();
    const { logId, continues } = position;
    const { peerLogId } = theirs;
    const follows = peerLogId !== undefined && (peerLogId === logId || peerLogId === continues?.logId);
    const { events } = this.#parts;
    return {
      ...position,
      // Who does not follow this log yet begins behind what is not meant for it any more.
      ...(follows ? {} : { oldest: from + 1 }),
      ...log.inbox.position(),
      peerLogId: theirs.logId,
      applied,
      ...(name === 'control' ? { projected: events.projected(theirs.logId) } : {}),
    };
  }

  /** Does what the orchestrator's standing asks for. @returns the position behind which sending goes on */
  #sendFrom(log: DurableLog, theirs: Positions, hello: Hello, differences: Differences): number {
    const standing = standingOf(log.outbox, theirs);
    switch (standing.is) {
      case 'level':
        if (log.name === 'control') this.#compareConfigs(log, standing.applied, hello);
        return standing.applied;
      case 'ahead':
        return this.#rename(log, theirs, hello, differences);
      case 'unknown':
        return this.#begin(log, differences);
      case 'behind':
        return this.#goBack(log, standing.applied, hello, differences);
    }
  }

  /** New entries under positions that it has would be passed over, and acknowledged: this is another log from here on. */
  #rename({ outbox, name }: DurableLog, theirs: Positions, hello: Hello, differences: Differences): number {
    const { oldest } = outbox.position();
    const { acked, offered } = outbox;
    const known = outbox.sharedWith(theirs) !== undefined;
    differences.reasons.push(
      `${name}: it has ${theirs.applied} entries, and the edge's restored log ${offered}`,
    );
    outbox.renew(this.#parts.newLogId(), theirs.peerLogId);
    if (name === 'control') this.#parts.resync.outrun(hello.sites);
    // What was never offered it has not, whatever it has in its place.
    if (known) return offered;
    // It follows a log of which nothing is known here. It has at least what it acknowledged, and passes over the rest.
    if (name === 'control') this.#parts.resync.wentBack({ applied: acked, oldest, running: hello.sites });
    return Math.max(acked, oldest - 1);
  }

  /** Its database is new to this log. Before anything was sent there is nothing that it could lack. */
  #begin({ outbox, name }: DurableLog, differences: Differences): number {
    const { oldest } = outbox.position();
    const acked = outbox.acked;
    if (acked === 0 && oldest === 1) return 0;
    differences.reasons.push(`${name}: the orchestrator's database is a new one`);
    // Of a stored request that was delivered before, the VPS gets no parcel: it is offered all that are kept.
    if (name === 'queue') {
      this.#parts.intake.offerAgain(oldest);
      return oldest - 1;
    }
    this.#parts.resync.emptied();
    return acked;
  }

  /**
   * A restored database that has all entries may still lack what became of them: an edit that waited when the copy was
   * made has ended here, and so will not be carried out again. A process that has only dialled again lacks nothing.
   */
  #compareConfigs({ outbox }: DurableLog, applied: number, hello: Hello): void {
    const { resync, meta } = this.#parts;
    if (hello.awaitsResync === true)
      resync.wentBack({ applied, oldest: outbox.position().oldest, running: hello.sites });
    else if (hello.generation > meta.number('generation')) resync.restarted(hello.sites);
  }

  #goBack(log: DurableLog, applied: number, hello: Hello, differences: Differences): number {
    const { outbox, name } = log;
    const { oldest } = outbox.position();
    const { acked } = outbox;
    differences.reasons.push(
      `${name}: the orchestrator's database was restored, with ${applied} of ${acked} entries`,
    );
    if (oldest > applied + 1) {
      differences.unrecoverable.push({ log: name, from: applied + 1, to: oldest - 1 });
    }
    if (name === 'control') this.#parts.resync.wentBack({ applied, oldest, running: hello.sites });
    else {
      this.#parts.letters.forget(name, applied);
      if (oldest > applied + 1) this.#parts.intake.offerAgain(oldest);
    }
    return Math.max(applied, oldest - 1);
  }

  /** Keeps what has to be told until it has arrived. @returns all of it, also what an earlier session left */
  #note({ reasons, unrecoverable, lost }: Differences): Pending | undefined {
    const { meta, now } = this.#parts;
    const kept = meta.text('resync_pending');
    const before: Pending | undefined = kept === undefined ? undefined : JSON.parse(kept);
    if (reasons.length === 0) return before;
    const reason = reasons.join('; ').slice(0, 500);
    console.warn('resync', reason, { unrecoverable, lost });
    const count = unrecoverable.reduce((sum, { from, to }) => sum + to - from + 1, lost);
    const last: NonNullable<Orchestrator['lastResync']> = { at: now(), reason, unrecoverable: count };
    meta.set('last_resync', JSON.stringify(last));
    const pending: Pending = {
      reason,
      unrecoverable: [...(before?.unrecoverable ?? []), ...unrecoverable].slice(-100),
    };
    meta.set('resync_pending', JSON.stringify(pending));
    return pending;
  }

  #frames(pending: Pending): ResyncFrame[] {
    const { recall, now } = this.#parts;
    const finished = recall.endedSince(now() - FINISHED_MS);
    const count = Math.max(1, Math.ceil(finished.length / FINISHED_PER_FRAME));
    return Array.from({ length: count }, (_, n) => ({
      type: 'resync',
      ...pending,
      finished: finished.slice(n * FINISHED_PER_FRAME, (n + 1) * FINISHED_PER_FRAME),
      unrecoverable: n === 0 ? pending.unrecoverable : [],
      last: n === count - 1,
    }));
  }
}

type OwnTerms = Pick<Terms, 'protocol' | 'sessionId' | 'fence' | 'clockMs'>;

/** What a session is given on any lane. */
const termsOf = (own: OwnTerms): Terms => ({
  ...own,
  heartbeatMs: HEARTBEAT_MS,
  limits: {
    textMessageBytes: TEXT_MESSAGE_BYTES_MAX,
    bodyChunkBytes: BODY_CHUNK_BYTES_MAX,
    relayBodyBytes: RELAY_BODY_BYTES_MAX,
    callsOpen: CALLS_OPEN_MAX,
  },
});

export const joinedOf = (own: OwnTerms): Joined => ({ type: 'joined', ...termsOf(own) });

interface OwnWelcome extends OwnTerms, Pick<Welcome, 'logs'> {
  /** Orchestrators that use one Cloudflare token, this one among them. */
  readonly sharers: number;
}

export const welcomeOf = ({ logs, sharers, ...own }: OwnWelcome): Welcome => ({
  type: 'welcome',
  ...termsOf(own),
  logs,
  apiBudget: { calls: Math.floor(API_CALLS_PER_WINDOW / sharers), windowS: API_WINDOW_S },
});
