import type { World } from './world.ts';

type Message = string | Uint8Array;

/** One end of a connection, as its owner hears of it. */
export interface End {
  onMessage(message: Message): void;
  onClose(code: number, reason: string): void;
  /** It has closed the connection itself, and now the other end knows: nothing comes any more. */
  onGone(): void;
}

interface Direction {
  /** Not before this, so that what was sent first arrives first. */
  free: number;
  /** What is sent this way vanishes. */
  dead: boolean;
}

const LATENCY_MS = { least: 1, most: 60 };

/**
 * One connection between two machines: in order, each way with a delay of its own. It may be cut, with both ends
 * told, or go dead in one direction without a word.
 */
export class Connection {
  readonly #world: World;
  readonly #ends: Partial<Record<Side, End>> = {};
  readonly #ways: Record<Side, Direction> = { a: { free: 0, dead: false }, b: { free: 0, dead: false } };
  /** Of what the one who dialled has sent. */
  #last: readonly Message[] = [];
  readonly #gone: Record<Side, boolean> = { a: false, b: false };
  /** It has said goodbye, or was told that it is over; what the other end has sent may still come. */
  readonly #closed: Record<Side, boolean> = { a: false, b: false };

  constructor(world: World) {
    this.#world = world;
  }

  attach(side: Side, end: End): void {
    this.#ends[side] = end;
  }

  isClosed(side: Side): boolean {
    return this.#closed[side];
  }

  /** From this side to the other. */
  send(from: Side, message: Message): void {
    if (this.#closed[from]) return;
    if (from === 'a') this.#last = [...this.#last.slice(-2), message];
    this.#deliver(from, (end) => end.onMessage(message));
  }

  /** Says goodbye: behind what was sent before. */
  close(from: Side, code: number, reason: string): void {
    if (this.#closed[from]) return;
    this.#closed[from] = true;
    this.#deliver(from, (end, to) => {
      this.#end(to, end, code, reason);
      const own = this.#ends[from];
      if (own !== undefined) this.#end(from, own, code, reason);
    });
  }

  /** The network breaks: what is under way is lost, and each end hears of it after a while. */
  cut(): void {
    for (const side of ['a', 'b'] as const) this.#ways[side].dead = true;
    for (const side of ['a', 'b'] as const) {
      this.#world.after(
        this.#world.random.int(1, 2_000),
        () => {
          const end = this.#ends[side];
          if (end !== undefined) this.#end(side, end, 1006, '');
        },
        undefined,
      );
    }
  }

  /**
   * The one who dialled is told that it broke, and dials again; but what it has sent arrives all the same, late, and
   * the last of it once more.
   */
  linger(): void {
    const repeated = [...this.#last];
    this.#world.after(
      this.#world.random.int(1, 30_000),
      () => {
        const end = this.#ends['b'];
        for (const message of repeated) if (end !== undefined && !this.#gone.b) end.onMessage(message);
      },
      undefined,
    );
    this.#ways['a'].free = this.#world.now + this.#world.random.int(1, 20_000);
    this.#ways['b'].dead = true;
    const end = this.#ends['a'];
    if (end !== undefined) this.#end('a', end, 1006, '');
  }

  /** Half-open: what this side sends arrives no more, and nobody is told. */
  deafen(from: Side): void {
    this.#ways[from].dead = true;
  }

  #deliver(from: Side, tell: (end: End, to: Side) => void): void {
    const way = this.#ways[from];
    const at = Math.max(
      way.free,
      this.#world.now + this.#world.random.int(LATENCY_MS.least, LATENCY_MS.most),
    );
    way.free = at;
    const to = from === 'a' ? 'b' : 'a';
    this.#world.after(
      at - this.#world.now,
      () => {
        const end = this.#ends[to];
        if (!way.dead && end !== undefined && !this.#gone[to]) tell(end, to);
      },
      undefined,
    );
  }

  #end(side: Side, end: End, code: number, reason: string): void {
    if (this.#gone[side]) return;
    this.#gone[side] = true;
    const closed = this.#closed[side];
    this.#closed[side] = true;
    if (closed) end.onGone();
    else end.onClose(code, reason);
  }
}

/** `a` dialled, `b` was dialled. */
export type Side = 'a' | 'b';
