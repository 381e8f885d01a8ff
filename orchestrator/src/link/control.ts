import type { FrameSender, FrameToEdge, FrameToOrchestrator, Welcome } from '@clawdbot/protocol';
import type { Clock } from '../clock.ts';
import type { LogStreams } from './logs.ts';
import type { ControlRole } from './role.ts';
import { StatusPace } from './status-pace.ts';
import type { LogFaults } from './stream.ts';

/** What belongs to lane 0 alone, of all that the edge may say. */
export type ControlFrame = Extract<FrameToOrchestrator, { type: 'resync' | 'entry' | 'ack' }>;

export interface ControlOptions {
  readonly role: ControlRole;
  readonly sender: FrameSender<FrameToEdge>;
  readonly clock: Clock;
  readonly faults: LogFaults;
  /** Is a status still of use on this session? */
  readonly isOpen: () => boolean;
}

/** What a session of lane 0 carries beside calls: both logs, the resync, the status. */
export class Control {
  readonly #options: ControlOptions;
  readonly #statuses: StatusPace;
  /** From `welcome` on. */
  #streams: LogStreams | undefined;

  constructor(options: ControlOptions) {
    this.#options = options;
    const { clock, isOpen, sender, role } = options;
    this.#statuses = new StatusPace(clock, () => {
      if (isOpen()) sender.push(role.status());
    });
  }

  /** The logs go on here, where the edge says that it stands. Throws `OlderCopy`. */
  attach(edge: Welcome['logs']): void {
    const { role, sender, faults } = this.#options;
    this.#streams = role.logs.attach(sender, edge, faults);
  }

  /** The session is open: what waits is sent. */
  begin({ apiBudget }: Welcome): void {
    this.#options.role.onApiBudget(apiBudget);
    this.#streams?.pump();
    this.publishStatus();
  }

  on(frame: ControlFrame): void {
    switch (frame.type) {
      case 'resync':
        this.#options.role.resync.take(frame, this.#options.faults);
        return;
      case 'entry':
        this.#streams?.take(frame);
        return;
      case 'ack':
        this.#streams?.acknowledged(frame);
        return;
      default:
        frame satisfies never;
    }
  }

  /** See `Resync.probed`. */
  probed(echo: () => void): void {
    this.#options.role.resync.probed(echo);
  }

  /** Sends the status, soon. */
  publishStatus(): void {
    this.#statuses.note();
  }

  /** The session is over. */
  end(): void {
    this.#statuses.stop();
    if (this.#streams === undefined) return;
    this.#streams.detach();
    this.#options.role.resync.end(this.#options.faults);
  }
}
