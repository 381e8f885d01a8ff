import { CLOCK_TOLERANCE_S, CLOSE, closeReason, liveProbe } from '@clawdbot/protocol';
import { z } from 'zod';
import { Flow } from './flow.ts';

/** What survives hibernation of a dashboard's socket. */
const attachment = z.object({
  v: z.literal(1),
  /** The token's end, in seconds. */
  exp: z.int(),
  /** The last probe's number, and when it was sent if it is still unanswered. */
  n: z.int().default(0),
  probedAt: z.int().optional(),
});

/** A probe's answer is some 30 bytes; whoever sends more wants something else of us. */
const MESSAGE_CHARS_MAX = 1_024;
/** Ten updates a second may each bring a probe; twice that is no dashboard. */
const MESSAGES_PER_WINDOW_MAX = 200;
const WINDOW_MS = 10_000;

interface Kept {
  readonly exp: number;
  readonly flow: Flow;
  window: { endsAt: number; count: number };
}

const encoder = new TextEncoder();

/**
 * The dashboards' sockets of one Hub. A dashboard that reads nothing is dropped (4429) when 4 MiB more than a probe
 * has gone out, or 15 s after the probe; so is one that reads and never answers probes, since nothing tells the two
 * apart. It may dial again and continue from its last position.
 */
export class Dashboards {
  readonly #ctx: Pick<DurableObjectState, 'acceptWebSocket' | 'getWebSockets'>;
  readonly #now: () => number;
  readonly #kept = new WeakMap<WebSocket, Kept>();

  constructor(ctx: Pick<DurableObjectState, 'acceptWebSocket' | 'getWebSockets'>, now: () => number) {
    this.#ctx = ctx;
    this.#now = now;
  }

  get any(): boolean {
    return this.#open().length > 0;
  }

  /** When the first of those that owe an answer is too slow. */
  get deadline(): number | undefined {
    const deadlines = this.#open().flatMap((socket) => this.#of(socket).flow.deadline ?? []);
    return deadlines.length === 0 ? undefined : Math.min(...deadlines);
  }

  /** @param exp of its token, in seconds; @param first what it is told at once */
  accept(socket: WebSocket, exp: number, first: string): void {
    this.#ctx.acceptWebSocket(socket);
    this.#keep(socket, { exp, flow: Flow.fresh(), window: { endsAt: 0, count: 0 } });
    this.#send(socket, first, encoder.encode(first).length);
  }

  broadcast(text: string): void {
    const bytes = encoder.encode(text).length;
    for (const socket of this.#open()) {
      if (this.#stays(socket)) this.#send(socket, text, bytes);
    }
  }

  /** Ends those whose token has, and those that are too slow. */
  review(): void {
    for (const socket of this.#open()) this.#stays(socket);
  }

  /** Dashboards answer probes; whatever else they say is ignored, and too much of it ends the socket. */
  heard(socket: WebSocket, message: string | ArrayBuffer): void {
    const kept = this.#of(socket);
    if (typeof message !== 'string' || message.length > MESSAGE_CHARS_MAX) {
      socket.close(CLOSE.tooLarge.code, 'dashboards send answers to probes, and nothing else');
    } else if (this.#isFlood(kept)) {
      socket.close(CLOSE.overloaded.code, 'too many messages');
    } else {
      const n = probeOf(message);
      if (n !== undefined) this.#answered(socket, kept, n);
    }
  }

  #open(): WebSocket[] {
    return this.#ctx.getWebSockets().filter(({ readyState }) => readyState === WebSocket.OPEN);
  }

  /** Whether it may be sent more; closed when not. */
  #stays(socket: WebSocket): boolean {
    const { exp, flow } = this.#of(socket);
    // As long as the door would still take this token.
    if ((exp + CLOCK_TOLERANCE_S) * 1_000 <= this.#now()) {
      socket.close(CLOSE.unauthorized.code, 'the token has expired');
      return false;
    }
    const slow = flow.tooSlow(this.#now());
    if (slow !== undefined) socket.close(CLOSE.overloaded.code, closeReason(slow));
    return slow === undefined;
  }

  #send(socket: WebSocket, text: string, bytes: number): void {
    socket.send(text);
    const kept = this.#of(socket);
    const due = kept.flow.sent(bytes, this.#now());
    if (due !== undefined) this.#probe(socket, kept, due);
  }

  #answered(socket: WebSocket, kept: Kept, n: number): void {
    const due = kept.flow.proven(n, this.#now());
    if (due === undefined) this.#keep(socket, kept);
    else this.#probe(socket, kept, due);
  }

  #probe(socket: WebSocket, kept: Kept, n: number): void {
    socket.send(JSON.stringify({ type: 'probe', n } satisfies z.infer<typeof liveProbe>));
    this.#keep(socket, kept);
  }

  #isFlood({ window }: Kept): boolean {
    const now = this.#now();
    if (now >= window.endsAt) Object.assign(window, { endsAt: now + WINDOW_MS, count: 0 });
    window.count += 1;
    return window.count > MESSAGES_PER_WINDOW_MAX;
  }

  #of(socket: WebSocket): Kept {
    const known = this.#kept.get(socket);
    if (known !== undefined) return known;
    const { exp, n, probedAt } = attachment.parse(socket.deserializeAttachment());
    const flow = Flow.afterSleep(n, probedAt === undefined ? undefined : { n, at: probedAt });
    const kept = { exp, flow, window: { endsAt: 0, count: 0 } };
    this.#kept.set(socket, kept);
    return kept;
  }

  #keep(socket: WebSocket, kept: Kept): void {
    this.#kept.set(socket, kept);
    const { exp, flow } = kept;
    const probedAt = flow.pending?.at;
    const saved: z.input<typeof attachment> = {
      v: 1,
      exp,
      n: flow.n,
      ...(probedAt === undefined ? {} : { probedAt }),
    };
    socket.serializeAttachment(saved);
  }
}

/** The number of the probe that a message answers. */
function probeOf(message: string): number | undefined {
  try {
    return liveProbe.safeParse(JSON.parse(message)).data?.n;
  } catch {
    // Not JSON: like everything else that is no answer, it is ignored.
    return undefined;
  }
}
