import type { FrameSender, FrameToEdge, Positions } from '@clawdbot/protocol';
import type { Logger } from '../log.ts';
import type { Unrecoverable } from './losses.ts';
import { type LogFaults, type LogParts, LogStream } from './stream.ts';

export interface DurableLogOptions extends LogParts {
  /** Of the database: said to whoever must bring another one. */
  readonly file: string;
  readonly log: Logger;
  /** Writes down, in the transaction, that entries of the edge are lost for good. */
  readonly lose: (ranges: Unrecoverable) => void;
}

/** This database lacks what the edge has seen of it: going on would lose what is written from here on. */
export class OlderCopy extends Error {
  override readonly name = 'OlderCopy';
}

/**
 * One log in both directions. It outlives its sessions, and belongs to the newest of them: entries and
 * acknowledgements that still come over an older socket are passed over, since the newer one repeats them.
 */
export class DurableLog {
  readonly #options: DurableLogOptions;
  #stream: LogStream | undefined;

  constructor(options: DurableLogOptions) {
    this.#options = options;
  }

  /** As `hello` tells it. */
  positions(): Positions {
    return { ...this.#options.outbox.position(), ...this.#options.inbox.position() };
  }

  /** A session begins: `pump` its stream to send what is behind the edge's position. Throws `OlderCopy`. */
  attach(sender: FrameSender<FrameToEdge>, edge: Positions, faults: LogFaults): LogStream {
    this.#refuseOlderCopy(edge);
    this.#stream?.close();
    this.#stream = new LogStream(this.#options, {
      sender,
      faults,
      begin: () => this.#begin(edge),
      isNewest: (stream) => this.#stream === stream,
    });
    return this.#stream;
  }

  /** The outbox has new entries. Safe to call inside the transaction that writes them: it acts a turn later. */
  wake(): void {
    this.#options.clock.defer(() => this.#stream?.pump());
  }

  /** The session of this stream has ended. */
  detach(stream: LogStream): void {
    stream.close();
    if (this.#stream === stream) this.#stream = undefined;
  }

  #refuseOlderCopy(edge: Positions): void {
    const { name, outbox, file } = this.#options;
    const { last } = outbox.position();
    const shared = outbox.sharedWith(edge) ?? 0;
    const forked = outbox.isForked(edge);
    if (shared <= last && !forked) return;
    const why = forked
      ? `has another entry ${shared} of its ${name} log`
      : `has ${shared} entries of its ${name} log, which has ${last}`;
    throw new OlderCopy(
      `${file} is an older copy: the edge ${why}; stop the orchestrator and bring the newest copy in: clawctl restore <backup> (or this one: clawctl restore ${file})`,
    );
  }

  #begin(edge: Positions): void {
    const { name, sql, inbox, outbox, log, lose } = this.#options;
    const { resync } = sql.transaction(() => {
      const followed = inbox.follow(edge);
      if (followed.unrecoverable !== undefined) lose([{ log: name, ...followed.unrecoverable }]);
      outbox.resume(outbox.sharedWith(edge) ?? outbox.position().oldest - 1);
      outbox.project(edge.projected ?? 0);
      return followed;
    });
    if (resync !== undefined) log.warn('the edge’s log begins anew', { log: name, resync });
  }
}
