import {
  type Entry,
  type FrameToOrchestrator,
  type LogName,
  ProtocolError,
  type Received,
  type Resync,
} from '@clawdbot/protocol';
import { LOGS_IN_ORDER } from './logs.ts';

/** What the durable logs of one socket ask of their lane. */
export interface LogPort {
  /** Commits entries. @returns how far all are committed */
  receive(log: LogName, entries: readonly Entry[]): Received;
  acknowledged(log: LogName, applied: number): void;
  nextBatch(log: LogName): Entry[];
  /** The orchestrator has handled the last `resync` frame. */
  resynced(): void;
}

export interface TrafficPorts {
  readonly push: (frame: FrameToOrchestrator) => void;
  /** Not with the other frames of this turn, but at once. */
  readonly pushNow: (frame: FrameToOrchestrator) => void;
  readonly lane: LogPort;
  /** A number that nobody guesses. */
  readonly nonce: () => number;
}

/** The durable logs on one socket. Each has its own window, so that a backlog of one never keeps the other back. */
export class Traffic {
  readonly #ports: TrafficPorts;
  #logs: readonly LogName[];
  #resyncProbe: number | undefined;
  #projected = 0;

  constructor(ports: TrafficPorts, logs: readonly LogName[]) {
    this.#ports = ports;
    this.#logs = logs;
  }

  /** The session opens with the logs that its orchestrator offers. */
  open(logs: readonly LogName[], resync: readonly Resync[]): void {
    this.#logs = logs;
    if (resync.length === 0) return;
    for (const frame of resync) this.#ports.push(frame);
    // Behind the frames: its echo proves that they were handled, and until then they are told in each session.
    this.#resyncProbe = this.#ports.nonce();
    this.#ports.push({ type: 'probe', n: this.#resyncProbe });
  }

  echoed(n: number): void {
    if (n !== this.#resyncProbe) return;
    this.#resyncProbe = undefined;
    this.#ports.lane.resynced();
  }

  /** Sends what the logs hold, as far as their windows allow. */
  pump(): void {
    for (const log of this.#logs) {
      const next = () => this.#ports.lane.nextBatch(log);
      for (let batch = next(); batch.length > 0; batch = next()) {
        for (const entry of batch) this.#ports.push(entry);
      }
    }
  }

  /** Commits what one message brought, each log's entries together, and acknowledges it. */
  receive(entries: readonly Entry[]): void {
    for (const log of LOGS_IN_ORDER) {
      const ours = entries.every((entry) => entry.log === log)
        ? entries
        : entries.filter((entry) => entry.log === log);
      if (ours.length > 0) this.#receive(log, ours);
    }
  }

  acknowledged(log: LogName, applied: number): void {
    this.#mustCarry(log);
    this.#ports.lane.acknowledged(log, applied);
  }

  /** Said once, when it has moved. */
  projected(applied: number, projected: number): void {
    if (projected <= this.#projected) return;
    this.#projected = projected;
    this.#ports.push({ type: 'ack', log: 'control', applied, projected });
  }

  #receive(log: LogName, entries: readonly Entry[]): void {
    this.#mustCarry(log);
    const received = this.#ports.lane.receive(log, entries);
    if (!received.ok) {
      throw new ProtocolError('malformed', `${log}: entry ${received.got}, expected ${received.applied + 1}`);
    }
    // A sender that waits for it is kept waiting by a turn, which in workerd is a timer's millisecond.
    this.#ports.pushNow({ type: 'ack', log, applied: received.applied });
  }

  #mustCarry(log: LogName): void {
    if (!this.#logs.includes(log)) throw new ProtocolError('malformed', `hello offered no log "${log}"`);
  }
}
