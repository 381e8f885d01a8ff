import {
  type Entry,
  type FrameSender,
  type FrameToEdge,
  type FrameToOrchestrator,
  type Inbox,
  type LogName,
  type Outbox,
  type Positions,
  ProtocolError,
  type Welcome,
} from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';

export interface ControlLogOptions {
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly log: Logger;
  /** Entries were committed to the inbox. */
  readonly onCommitted: () => void;
  /** The edge has acknowledged all there is. Called while its frame is handled: act a turn later. */
  readonly onEmptied: () => void;
}

/** What a session does when its log cannot go on. */
export interface ControlFaults {
  /** The edge skipped entries. */
  gap(message: string): void;
  /** The store failed. */
  storage(error: unknown): void;
}

/** This database lacks what the edge has seen of it: going on would lose what is written from here on. */
export class OlderCopy extends Error {
  override readonly name = 'OlderCopy';
}

/**
 * The control log in both directions. It outlives its sessions, and belongs to the newest of them: entries and
 * acknowledgements that still come over an older socket are passed over, since the newer one repeats them.
 */
export class ControlLog {
  readonly #options: ControlLogOptions;
  #stream: ControlStream | undefined;

  constructor(options: ControlLogOptions) {
    this.#options = options;
  }

  /** As `hello` tells it. */
  positions(): Positions {
    return { ...this.#options.outbox.position(), ...this.#options.inbox.position() };
  }

  /** A session begins: `pump` its stream to send what is behind the edge's position. Throws `OlderCopy`. */
  attach(
    sender: FrameSender<FrameToEdge>,
    edge: Welcome['logs']['control'],
    faults: ControlFaults,
  ): ControlStream {
    const { inbox, outbox, log } = this.#options;
    const { oldest, last } = outbox.position();
    const followed = edge.peerLogId === outbox.logId;
    if (followed && edge.applied > last) {
      throw new OlderCopy(
        `the edge has ${edge.applied} entries of this database, which has ${last}: it is an older copy; put the newest copy back, or start with an empty DATA_DIR and have an admin run "clawctl release <orchestrator>"`,
      );
    }
    const { resync } = inbox.follow(edge.logId, edge.oldest);
    if (resync !== undefined) log.warn('the edge’s control log begins afresh', { resync });
    outbox.resume(followed ? edge.applied : oldest - 1);
    this.#stream = new ControlStream(this.#options, sender, faults, (stream) => this.#stream === stream);
    return this.#stream;
  }

  /** The outbox has new entries. Safe to call inside the transaction that writes them: it acts a turn later. */
  wake(): void {
    this.#options.clock.defer(() => this.#stream?.pump());
  }

  /** The session of this stream has ended. */
  detach(stream: ControlStream): void {
    if (this.#stream === stream) this.#stream = undefined;
  }
}

type Ack = Extract<FrameToOrchestrator, { type: 'ack' }>;

/** `hello` offers the control log alone. */
function checkLog(log: LogName): void {
  if (log !== 'control') throw new ProtocolError('malformed', `no ${log} log was offered`);
}

/** One session's view of the control log. */
export class ControlStream {
  readonly #options: ControlLogOptions;
  readonly #sender: FrameSender<FrameToEdge>;
  readonly #faults: ControlFaults;
  readonly #isNewest: (stream: ControlStream) => boolean;
  #received: Entry[] = [];

  constructor(
    options: ControlLogOptions,
    sender: FrameSender<FrameToEdge>,
    faults: ControlFaults,
    isNewest: (stream: ControlStream) => boolean,
  ) {
    this.#options = options;
    this.#sender = sender;
    this.#faults = faults;
    this.#isNewest = isNewest;
  }

  /** Entries of one turn are committed together, and acknowledged once: a commit costs an fsync. */
  take(entry: Entry): void {
    checkLog(entry.log);
    this.#received.push(entry);
    if (this.#received.length === 1) this.#options.clock.defer(() => this.#commit());
  }

  /** The edge has committed everything up to `applied`. */
  acknowledged({ log, applied }: Ack): void {
    checkLog(log);
    this.#guarded(() => {
      const { outbox, onEmptied } = this.#options;
      const fresh = outbox.acknowledge(applied) <= applied;
      this.pump();
      if (fresh && outbox.depth === 0) onEmptied();
    });
  }

  /** Sends what the outbox has, as far as enough is not already in flight. */
  pump(): void {
    this.#guarded(() => {
      for (let batch = this.#next(); batch.length > 0; batch = this.#next()) {
        for (const entry of batch) this.#sender.push(entry);
      }
    });
  }

  #next(): Entry[] {
    return this.#options.outbox.nextBatch();
  }

  #commit(): void {
    const entries = this.#received;
    this.#received = [];
    this.#guarded(() => {
      const received = this.#options.inbox.receive(entries);
      if (!received.ok) {
        return this.#faults.gap(`entry ${received.got} came behind ${received.applied}`);
      }
      this.#sender.push({ type: 'ack', log: 'control', applied: received.applied });
      if (received.fresh > 0) this.#options.onCommitted();
    });
  }

  #guarded(work: () => void): void {
    if (!this.#isNewest(this)) return;
    try {
      work();
    } catch (error) {
      this.#faults.storage(error);
    }
  }
}
