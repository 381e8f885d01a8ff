import {
  HEARTBEAT_MS,
  type LiveMessage,
  type LiveSnapshot,
  type LiveUpdate,
  liveMessage,
  PING,
  PONG,
  SILENCE_MS,
} from '@clawdbot/protocol';
import type { LivePorts, LiveSocket } from './ports.ts';

/** A snapshot waits at most 1.5 s for orchestrators that do not answer; the rest is the network's. */
const FIRST_MESSAGE_MS = 10_000;

/** How a link ended. */
export interface LinkEnd {
  /** A close code; undefined when this side gave it up. */
  readonly code?: number;
  /** What the edge said of it, or what is wrong; may be empty. */
  readonly reason: string;
  /** What was heard made no sense, so that nothing may be built on it. */
  readonly broken?: true;
  /** When the edge was last heard, in milliseconds since the epoch; undefined when it never was. */
  readonly heardAt: number | undefined;
}

export interface LinkEvents {
  told(message: LiveSnapshot | LiveUpdate): void;
  ended(end: LinkEnd): void;
}

/**
 * One connection to `/live`: reads messages, answers probes, keeps the heartbeat, and gives up a socket that has
 * fallen silent. It ends once, and is told nothing afterwards.
 */
export class LiveLink {
  readonly #ports: LivePorts;
  readonly #events: LinkEvents;
  readonly #socket: LiveSocket;
  #cancelPing: () => void;
  #cancelSilence: () => void;
  #heardAt: number | undefined;
  #over = false;

  constructor(ports: LivePorts, query: string, events: LinkEvents) {
    this.#ports = ports;
    this.#events = events;
    this.#cancelPing = ports.after(HEARTBEAT_MS, () => this.#ping());
    this.#cancelSilence = ports.after(FIRST_MESSAGE_MS, () =>
      this.#end({ reason: 'the edge does not answer' }),
    );
    this.#socket = ports.dial(query, {
      message: (text) => this.#heard(text),
      closed: (code, reason) => this.#end({ code, reason }),
    });
  }

  /** Ends it without a word to `ended`. */
  close(): void {
    this.#over = true;
    this.#cancelPing();
    this.#cancelSilence();
    this.#socket.close();
  }

  /** Ends it because what it says cannot be used. */
  reject(reason: string): void {
    this.#end({ reason, broken: true });
  }

  #heard(text: string): void {
    if (this.#over) return;
    this.#heardAt = this.#ports.now();
    this.#cancelSilence();
    this.#cancelSilence = this.#ports.after(SILENCE_MS, () => this.#end({ reason: 'the edge fell silent' }));
    if (text === PONG) return;
    const message = read(text);
    if (message === undefined) this.reject('the edge said what this page cannot read');
    else if (message.type === 'probe') this.#socket.send(JSON.stringify(message));
    else this.#events.told(message);
  }

  #ping(): void {
    this.#socket.send(PING);
    this.#cancelPing = this.#ports.after(HEARTBEAT_MS, () => this.#ping());
  }

  #end(how: Omit<LinkEnd, 'heardAt'>): void {
    if (this.#over) return;
    this.close();
    this.#events.ended({ ...how, heardAt: this.#heardAt });
  }
}

function read(text: string): LiveMessage | undefined {
  try {
    return liveMessage.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // No JSON: as little to be read as JSON of another shape.
  }
}
