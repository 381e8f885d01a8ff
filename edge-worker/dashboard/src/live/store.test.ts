import { HEARTBEAT_MS, SILENCE_MS } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { event, orchestrator, snapshot, update, World } from './live.fixture.ts';
import { LiveStore } from './store.ts';

function started() {
  const world = new World();
  const store = new LiveStore(world.ports);
  store.start();
  return { world, store };
}

/** Lets what was promised come true. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the live picture', () => {
  it('is the snapshot, and then each update on top of it', () => {
    const { world, store } = started();
    expect(store.view()).toEqual({ connection: { state: 'connecting' } });
    world.says(snapshot(4, { orchestrators: [orchestrator('a', 'online'), orchestrator('b', 'never')] }));
    world.says(update(5, { orchestrators: [orchestrator('a', 'away')], events: [event(1)], missed: 2 }));
    expect(store.view()).toMatchObject({
      connection: { state: 'live' },
      picture: {
        orchestrators: [
          { id: 'a', presence: { state: 'away' } },
          { id: 'b', presence: { state: 'never' } },
        ],
        events: [event(1)],
        missed: 2,
      },
    });
  });

  it('takes no update twice, and none that is older than what it shows', () => {
    const { world, store } = started();
    world.says(snapshot(4));
    world.says(update(6, { orchestrators: [orchestrator('a', 'online')], missed: 1 }));
    world.says(update(6, { orchestrators: [orchestrator('a', 'online')], missed: 1 }));
    world.says(update(5, { orchestrators: [orchestrator('a', 'away')] }));
    expect(store.view().picture).toMatchObject({
      orchestrators: [{ presence: { state: 'online' } }],
      missed: 1,
    });
  });

  it('tells its listeners of each change, until they leave', () => {
    const { world, store } = started();
    let told = 0;
    const leave = store.subscribe(() => {
      told += 1;
    });
    world.says(snapshot(1));
    leave();
    world.says(update(2));
    expect(told).toBe(1);
  });
});

describe('after the connection is lost', () => {
  it('the page keeps what it knew, and continues from its stream and position', () => {
    const { world, store } = started();
    world.says(snapshot(4, { orchestrators: [orchestrator('a', 'online')] }));
    world.says(update(9));
    world.socket.events.closed(1006, '');
    expect(store.view()).toMatchObject({
      connection: { state: 'waiting', retryAt: world.now + 500, why: 'the connection was lost' },
      picture: { orchestrators: [{ id: 'a' }] },
    });
    world.pass(500);
    expect(world.socket.query).toBe('stream=stream-1&after=9');
    world.says(update(10, { orchestrators: [orchestrator('b', 'online')] }));
    expect(store.view().picture?.orchestrators.map(({ id }) => id)).toEqual(['a', 'b']);
  });

  it('the page says until when what it shows was so, until it is live again', () => {
    const { world, store } = started();
    world.says(snapshot(4));
    const heardAt = world.now;
    world.pass(SILENCE_MS);
    expect(store.view().asOf).toBe(heardAt);
    world.pass(1_000);
    world.socket.events.closed(1006, '');
    expect(store.view().asOf).toBe(heardAt);
    world.pass(10_000);
    world.says(update(5));
    expect(store.view().asOf).toBeUndefined();
  });

  it('a new snapshot replaces what was known, and the page continues from it next time', () => {
    const { world, store } = started();
    world.says(snapshot(4, { orchestrators: [orchestrator('gone', 'online')] }));
    world.says(update(5, { missed: 7 }));
    world.socket.events.closed(1012, '');
    world.pass(500);
    world.says(snapshot(2, { stream: 'stream-2', orchestrators: [orchestrator('a', 'online')] }));
    expect(store.view().picture).toMatchObject({ orchestrators: [{ id: 'a' }], missed: 0 });
    world.socket.events.closed(1006, '');
    world.pass(10_000);
    expect(world.dials[2]?.query).toBe('stream=stream-2&after=2');
  });

  it('waits grow to ten seconds, and are short again after a connection that lasted', () => {
    const { world, store } = started();
    world.ports.random = () => 1;
    const waits = Array.from({ length: 6 }, () => {
      world.socket.events.closed(1006, '');
      const { connection } = store.view();
      const waitMs = connection.state === 'waiting' ? connection.retryAt - world.now : Number.NaN;
      world.pass(waitMs);
      return waitMs;
    });
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    world.says(snapshot(1));
    world.pass(10_000);
    world.socket.events.closed(1006, '');
    expect(store.view().connection).toMatchObject({ retryAt: world.now + 1_000 });
  });

  it('a person may retry at once', () => {
    const { world, store } = started();
    world.socket.events.closed(1006, '');
    store.retryNow();
    expect(world.dials).toHaveLength(2);
    store.retryNow();
    world.pass(5_000);
    expect(world.dials).toHaveLength(2);
  });

  it('4429: the page says that it was too slow, and comes back', () => {
    const { world, store } = started();
    world.says(snapshot(1));
    world.socket.events.closed(4429, 'too slow');
    expect(store.view().connection).toMatchObject({
      state: 'waiting',
      why: 'this page was too slow (too slow)',
    });
    world.pass(500);
    expect(world.socket.query).toBe('stream=stream-1&after=1');
  });
});

describe('a session that is over', () => {
  it('4401: the page is signed out, and dials no more', () => {
    const { world, store } = started();
    world.says(snapshot(1));
    world.socket.events.closed(4401, 'the token has expired');
    expect(store.view().connection).toEqual({ state: 'signed_out', why: 'the token has expired' });
    expect(world.timers).toBe(0);
  });

  it('a refused upgrade, of which a browser says nothing, is asked about', async () => {
    const { world, store } = started();
    world.signedIn = async () => false;
    world.socket.events.closed(1006, '');
    await settled();
    expect(store.view().connection).toMatchObject({ state: 'signed_out' });
    expect(world.timers).toBe(0);
  });

  it('an edge that answers nobody is no end of the session', async () => {
    const { world, store } = started();
    world.signedIn = () => Promise.reject(new Error('no network'));
    world.socket.events.closed(1006, '');
    await settled();
    expect(store.view().connection).toMatchObject({ state: 'waiting' });
  });
});

describe('a connection that is open', () => {
  it('proves by the same probe that it has read what came before', () => {
    const { world } = started();
    world.says(snapshot(1));
    world.says({ type: 'probe', n: 3 });
    expect(world.socket.sent).toEqual(['{"type":"probe","n":3}']);
  });

  it('sends a heartbeat, and stays while it is answered', () => {
    const { world, store } = started();
    world.says(snapshot(1));
    for (let beats = 0; beats < 4; beats += 1) {
      world.pass(HEARTBEAT_MS);
      world.says('pong');
    }
    expect(world.socket.sent).toEqual(['ping', 'ping', 'ping', 'ping']);
    expect(store.view().connection.state).toBe('live');
    expect(world.dials).toHaveLength(1);
  });

  it('is given up when it has fallen silent, and what it says later is not heard', () => {
    const { world, store } = started();
    world.says(snapshot(1));
    world.pass(SILENCE_MS);
    expect(world.dials[0]?.closed).toBe(true);
    expect(store.view().connection).toMatchObject({ state: 'waiting', why: 'the edge fell silent' });
    world.dials[0]?.events.message(JSON.stringify(update(2)));
    expect(store.view().connection.state).toBe('waiting');
  });

  it('is given up when the first message does not come', () => {
    const { world, store } = started();
    world.pass(10_000);
    expect(store.view().connection).toMatchObject({ state: 'waiting', why: 'the edge does not answer' });
  });

  it.each([
    ['what is no message', [snapshot(1), { type: 'update', position: 'two' }]],
    ['what is no JSON', [snapshot(1), '<html>']],
    ['an update of a picture that was never sent', [update(2)]],
  ])('%s is built on nothing: the next dial asks for a snapshot', (_, messages) => {
    const { world, store } = started();
    for (const message of messages) world.says(message);
    expect(world.dials[0]?.closed).toBe(true);
    expect(store.view().connection.state).toBe('waiting');
    world.pass(500);
    expect(world.socket.query).toBe('');
  });

  it('ends with the page, and leaves no timer', () => {
    const { world, store } = started();
    world.says(snapshot(1));
    store.stop();
    expect(world.dials[0]?.closed).toBe(true);
    expect(world.timers).toBe(0);
  });
});
