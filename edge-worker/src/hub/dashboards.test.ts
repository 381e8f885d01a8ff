import { CLOSE, LIVE_PROBE_EVERY_BYTES, LIVE_PROBE_TIMEOUT_MS } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { Dashboards } from './dashboards.ts';

/** The Hub's end of a socket, without a runtime. */
class FakeSocket {
  readyState: number = WebSocket.OPEN;
  readonly sent: string[] = [];
  closed: number | undefined;
  #attachment: unknown;

  send(text: string): void {
    this.sent.push(text);
  }
  close(code: number): void {
    this.readyState = WebSocket.CLOSING;
    this.closed = code;
  }
  serializeAttachment(value: unknown): void {
    this.#attachment = structuredClone(value);
  }
  deserializeAttachment(): unknown {
    return this.#attachment;
  }
}

function setup() {
  const world = { now: 1_000_000, sockets: [] as FakeSocket[] };
  const ctx = {
    acceptWebSocket: (socket: unknown) => void world.sockets.push(socket as FakeSocket),
    getWebSockets: () => world.sockets as unknown as WebSocket[],
  };
  const dashboards = () => new Dashboards(ctx, () => world.now);
  const first = dashboards();
  const join = (exp = 4_000_000_000) => {
    const socket = new FakeSocket();
    first.accept(socket as unknown as WebSocket, exp, 'snapshot');
    return { socket, ours: socket as unknown as WebSocket };
  };
  return { world, first, join, afterSleep: dashboards };
}
const MUCH = 'x'.repeat(LIVE_PROBE_EVERY_BYTES);
const probe = (n: number) => JSON.stringify({ type: 'probe', n });

describe('dashboards', () => {
  it('are probed behind 256 KiB, and dropped when 15 s bring no answer', () => {
    const { world, first, join } = setup();
    const { socket } = join();
    first.broadcast(MUCH);
    expect(socket.sent).toEqual(['snapshot', MUCH, probe(1)]);
    expect(first.deadline).toBe(world.now + LIVE_PROBE_TIMEOUT_MS);
    world.now += LIVE_PROBE_TIMEOUT_MS;
    first.review();
    expect(socket.closed).toBe(CLOSE.overloaded.code);
    expect(first.any).toBe(false);
  });

  it('stay when they answer', () => {
    const { world, first, join } = setup();
    const { socket, ours } = join();
    first.broadcast(MUCH);
    first.heard(ours, probe(1));
    world.now += LIVE_PROBE_TIMEOUT_MS;
    first.review();
    expect([socket.closed, first.deadline]).toEqual([undefined, undefined]);
  });

  it('owe their answer through a sleep, and are probed with the first message after it', () => {
    const { world, first, join, afterSleep } = setup();
    const asked = join().socket;
    first.broadcast(MUCH);
    const quiet = join().socket;
    const later = afterSleep();
    later.broadcast('little');
    expect(quiet.sent).toEqual(['snapshot', 'little', probe(1)]);
    world.now += LIVE_PROBE_TIMEOUT_MS;
    later.heard(quiet as unknown as WebSocket, probe(1));
    later.review();
    expect([asked.closed, quiet.closed]).toEqual([CLOSE.overloaded.code, undefined]);
  });

  it('never get a probe’s number twice: an answer from before a sleep proves nothing', () => {
    const { first, join, afterSleep } = setup();
    const { socket, ours } = join();
    first.broadcast(MUCH);
    first.heard(ours, probe(1));
    afterSleep().broadcast('little');
    expect(socket.sent.at(-1)).toBe(probe(2));
  });

  it('end with their token, as late as the door would still take it', () => {
    const { world, first, join } = setup();
    const { socket } = join(world.now / 1_000);
    world.now += 59_999;
    first.review();
    expect(socket.closed).toBeUndefined();
    world.now += 1;
    first.review();
    expect(socket.closed).toBe(CLOSE.unauthorized.code);
  });

  it('may not flood us', () => {
    const { world, first, join } = setup();
    const { socket, ours } = join();
    for (let n = 0; n < 1_000; n++, world.now += 100) first.heard(ours, 'hello');
    expect(socket.closed).toBeUndefined();
    for (let n = 0; n < 201; n++) first.heard(ours, 'hello');
    expect(socket.closed).toBe(CLOSE.overloaded.code);
  });

  it.each<[string, string | ArrayBuffer]>([
    ['more than 1 KiB', 'x'.repeat(1_025)],
    ['bytes', new ArrayBuffer(1)],
  ])('may not send %s', (_name, message) => {
    const { first, join } = setup();
    const { socket, ours } = join();
    first.heard(ours, message);
    expect(socket.closed).toBe(CLOSE.tooLarge.code);
  });
});
