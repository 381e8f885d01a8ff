import {
  type Entry,
  type FrameSender,
  type FrameToEdge,
  type FrameToOrchestrator,
  type Hello,
  type LogName,
  type Positions,
  ProtocolError,
  type Welcome,
} from '@clawdbot/protocol';
import type { DurableLog } from './log.ts';
import type { LogFaults, LogStream } from './stream.ts';

type Ack = Extract<FrameToOrchestrator, { type: 'ack' }>;

/** Both logs, in the order in which what waits in them is sent. */
export class DurableLogs {
  readonly #control: DurableLog;
  readonly #queue: DurableLog;

  constructor(control: DurableLog, queue: DurableLog) {
    this.#control = control;
    this.#queue = queue;
  }

  /** As `hello` tells it. */
  positions(): Hello['logs'] {
    return { control: this.#control.positions(), queue: this.#queue.positions() };
  }

  /** A session begins, over those of the logs that the edge has offered. Throws `OlderCopy`. */
  attach(sender: FrameSender<FrameToEdge>, edge: Welcome['logs'], faults: LogFaults): LogStreams {
    const streams = new LogStreams();
    try {
      streams.add(this.#control, 'control', sender, edge.control, faults);
      if (edge.queue !== undefined) streams.add(this.#queue, 'queue', sender, edge.queue, faults);
    } catch (error) {
      streams.detach();
      throw error;
    }
    return streams;
  }

  /** An outbox has new entries. Safe to call inside the transaction that writes them: it acts a turn later. */
  wake(): void {
    this.#control.wake();
    this.#queue.wake();
  }
}

/** One session's view of the logs. */
export class LogStreams {
  readonly #streams = new Map<LogName, { readonly log: DurableLog; readonly stream: LogStream }>();

  add(
    log: DurableLog,
    name: LogName,
    sender: FrameSender<FrameToEdge>,
    edge: Positions,
    faults: LogFaults,
  ): void {
    this.#streams.set(name, { log, stream: log.attach(sender, edge, faults) });
  }

  take(entry: Entry): void {
    this.#of(entry.log).take(entry);
  }

  acknowledged(ack: Ack): void {
    this.#of(ack.log).acknowledged(ack);
  }

  pump(): void {
    for (const { stream } of this.#streams.values()) stream.pump();
  }

  detach(): void {
    for (const { log, stream } of this.#streams.values()) log.detach(stream);
  }

  #of(name: LogName): LogStream {
    const found = this.#streams.get(name);
    if (found !== undefined) return found.stream;
    throw new ProtocolError('malformed', `no ${name} log was offered`);
  }
}
