import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import type { CommandSummary, LiveOrchestrator, LiveSnapshot, LiveUpdate } from '@clawdbot/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { objectSql } from '../channel/store.ts';
import { fresh } from '../edge.fixture.ts';
import { Book, type Cursor } from './book.ts';
import { commandOf, eventOf, eventsTo, moveOf } from './hub.fixture.ts';
import type { HubUpdate } from './rpc.ts';

/**
 * Runs synchronous work with Books over an object's own SQLite: an empty one as often as it asks, and what is kept
 * opened again as after a sleep.
 */
function withBooks(work: (empty: () => Book, reopened: () => Book) => void): Promise<void> {
  const stub = env.HUB.getByName(fresh('book')) as unknown as DurableObjectStub;
  return runInDurableObject(stub, (_, { storage }) => {
    const sql = objectSql(storage);
    let streams = 0;
    const open = () => new Book(sql, () => `stream-${++streams}`);
    work(() => {
      sql.run('DROP TABLE book_2');
      const book = open();
      book.list(['a', 'b']);
      return book;
    }, open);
  });
}
const withBook = (work: (book: Book) => void) => withBooks((empty) => work(empty()));

const noted = (book: Book, at: number, more: Partial<HubUpdate> = {}) =>
  book.note({ orchestratorId: 'a', at, presence: { state: 'online' }, ...more });
const since = (book: Book, { stream, position }: Cursor): LiveUpdate | undefined => {
  const cursor = book.cursorAt({ stream, position }, book.end);
  return cursor && book.update(cursor, book.end);
};

describe('what dashboards are shown', () => {
  it('takes no position when it is old or unchanged', () =>
    withBook((book) => {
      const queues = { control: 1, queue: 0, inbox: 0, deadLetters: 0, deadReceipts: 0, unprojected: 0 };
      expect(noted(book, 10)).toBe(true);
      expect(noted(book, 9, { presence: { state: 'away' } })).toBe(false);
      expect(noted(book, 11)).toBe(false);
      expect(noted(book, 12, { queues })).toBe(true);
      expect(noted(book, 13)).toBe(false);
      expect(book.end.position).toBe(2);
      expect(book.snapshot(book.end, 99).orchestrators).toEqual([
        { id: 'a', presence: { state: 'online' }, at: 13, queues },
        { id: 'b', presence: { state: 'never' }, at: 99 },
      ]);
    }));

  it('is the latest of a command: one that comes late changes nothing', () =>
    withBook((book) => {
      const command = (state: CommandSummary['state'], updatedAt: number) => [
        commandOf('a', 1, state, updatedAt),
      ];
      noted(book, 10, { commands: command('succeeded', 5) });
      expect(noted(book, 10, { commands: command('running', 4) })).toBe(false);
      expect(book.snapshot(book.end, 0).commands).toEqual(command('succeeded', 5));
    }));

  it('is a command where it is: one that has gone along with its site is not forgotten with the orchestrator of before', () =>
    withBook((book) => {
      noted(book, 10, { commands: [commandOf('a', 1, 'queued', 1)] });
      const there = { ...commandOf('a', 1, 'queued', 2), orchestratorId: 'b' };
      noted(book, 11, { orchestratorId: 'b', commands: [there] });
      book.forget('a');
      book.list(['b']);
      expect(book.snapshot(book.end, 0).commands).toEqual([there]);
    }));

  it('is each move with how many requests wait, which is news though no step was made, and then its end', () =>
    withBook((book) => {
      const held = (waiting: number) => [
        moveOf('a', 1, { state: 'moving', heldAt: 2, updatedAt: 2, waiting }),
      ];
      noted(book, 10, { moves: [...held(0), moveOf('a', 2)] });
      const before = book.end;
      expect(noted(book, 11, { moves: held(7) })).toBe(true);
      expect(noted(book, 10, { moves: held(3) })).toBe(false);
      expect(since(book, before)).toMatchObject({ moves: held(7) });
      const moved = moveOf('a', 1, { state: 'moved', heldAt: 2, pausedMs: 3, updatedAt: 5 });
      noted(book, 12, { moves: [moved] });
      expect(book.snapshot(book.end, 0).moves).toEqual([moved, moveOf('a', 2)]);
      book.forget('a');
      expect(book.snapshot(book.end, 0).moves).toEqual([]);
    }));

  it('is of an organisation’s own orchestrators', () =>
    withBook((book) => {
      noted(book, 1, { commands: [commandOf('a', 1, 'queued', 1)], events: eventsTo('a', 3) });
      book.list(['b']);
      const { orchestrators, commands, events } = book.snapshot(book.end, 0);
      expect([orchestrators.map(({ id }) => id), commands, events]).toEqual([['b'], [], []]);
    }));

  it('are the last events, each once, though they were told twice or an older object tells them again', () =>
    withBook((book) => {
      noted(book, 1, { events: eventsTo('a', 3) });
      noted(book, 2, { events: eventsTo('a', 5) });
      noted(book, 1, { events: eventsTo('a', 4) });
      noted(book, 3, { events: eventsTo('a', 2) });
      noted(book, 4, { events: { items: [eventOf('a', 2), eventOf('a', 77)], last: 3 } });
      const told = book.snapshot(book.end, 0).events.map(({ receivedAt }) => receivedAt);
      expect(told).toEqual([1, 2, 3, 4, 5, 77]);
    }));

  it('is bounded, and whoever stands before what was dropped takes the snapshot', () =>
    withBook((book) => {
      const old = book.end;
      for (let n = 1; n <= 120; n++) {
        const commands = [commandOf('a', n, 'succeeded', n)];
        noted(book, n, { commands, events: eventsTo('a', n * 20) });
      }
      const recent = book.end;
      book.trim();
      const { commands, events } = book.snapshot(book.end, 0);
      expect([commands.length, commands[0], events.length]).toEqual([
        50,
        commandOf('a', 71, 'succeeded', 71),
        100,
      ]);
      expect(since(book, old)).toBeUndefined();
      expect(since(book, recent)).toMatchObject({ commands: [], events: [], missed: 0 });
    }));

  it('is not told again when two orchestrators tell again what ended last of each', () =>
    withBook((book) => {
      const ended = (id: string) =>
        Array.from({ length: 50 }, (_, n) => commandOf(id, n, 'succeeded', Math.floor(n / 10)));
      const tell = () =>
        ['a', 'b'].map((orchestratorId) =>
          book.note({
            orchestratorId,
            at: 1,
            presence: { state: 'online' },
            commands: ended(orchestratorId),
          }),
        );
      expect(tell()).toEqual([true, true]);
      book.trim();
      expect(tell()).toEqual([false, false]);
      expect(book.snapshot(book.end, 0).commands).toHaveLength(50);
    }));

  it('is told by no message larger than half a megabyte of events; the others are counted', () =>
    withBook((book) => {
      const from = book.end;
      noted(book, 1, { events: eventsTo('a', 100, 20_000) });
      const update = since(book, from);
      expect(update?.events.length).toBeLessThan(30);
      expect((update?.events.length ?? 0) + (update?.missed ?? 0)).toBe(100);
      expect(update?.events.at(-1)).toEqual(eventOf('a', 100, 20_000));
    }));

  it('begins a new stream when something of it is forgotten', () =>
    withBook((book) => {
      noted(book, 1, { commands: [commandOf('a', 1, 'queued', 1)] });
      const old = book.end;
      expect(book.forget('b')).toBe(false);
      expect(since(book, old)).toBeDefined();
      expect(book.forget('a')).toBe(true);
      expect(since(book, old)).toBeUndefined();
    }));

  it('is the same for who was away as for who takes the snapshot, whatever happened (never silently behind)', () =>
    withBooks((empty, reopened) => {
      const step = fc.oneof(
        {
          weight: 6,
          arbitrary: fc.record({ do: fc.constant('tell'), id: fc.constantFrom('a', 'b'), n: fc.nat(250) }),
        },
        { weight: 3, arbitrary: fc.record({ do: fc.constant('look'), id: fc.constant('a'), n: fc.nat(1) }) },
        { weight: 2, arbitrary: fc.record({ do: fc.constant('trim'), id: fc.constant('a'), n: fc.nat(1) }) },
        {
          weight: 1,
          arbitrary: fc.record({ do: fc.constant('forget'), id: fc.constantFrom('a', 'b'), n: fc.nat(1) }),
        },
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
          let book = empty();
          const world = new World();
          const view = new View();
          for (const { do: what, id, n } of steps) {
            if (what === 'tell') book.note(world.next(id, n));
            else if (what === 'trim') {
              book = reopened();
              book.trim();
            } else if (what === 'forget') book.forget(id);
            else view.look(book);
          }
          view.look(book);
          view.check(book.snapshot(book.end, 0));
        }),
        { numRuns: 60 },
      );
    }));
});

/** Two orchestrators with commands that go on and events that come, few or many at a time. */
class World {
  #at = 0;
  readonly #events: Record<string, number> = { a: 0, b: 0 };

  next(id: string, n: number): HubUpdate {
    const at = ++this.#at;
    const last = (this.#events[id] ?? 0) + n;
    this.#events[id] = last;
    return {
      orchestratorId: id,
      at,
      presence: { state: n % 2 === 0 ? 'online' : 'away' },
      commands: [commandOf(id, n % 90, n % 3 === 0 ? 'succeeded' : 'running', at)],
      // Ids name the orchestrator's own events.
      events: { last, items: (eventsTo(id, last)?.items ?? []).map((e) => ({ ...e, id: `${e.id}${id}` })) },
    };
  }
}

/** A dashboard that keeps what it was told, by the rules of `api/live.ts`. */
class View {
  #from: { stream: string; position: number } | undefined;
  #told = 0;
  #orchestrators = new Map<string, LiveOrchestrator>();
  #commands = new Map<string, CommandSummary>();
  #events: string[] = [];

  look(book: Book): void {
    const { end } = book;
    const cursor = this.#from && book.cursorAt(this.#from, end);
    if (cursor === undefined) this.#begin(book.snapshot(end, 0), end);
    else this.#go(book.update(cursor, end), end);
    this.#from = { stream: end.stream, position: end.position };
  }

  check({ orchestrators, commands, events }: LiveSnapshot): void {
    const known = orchestrators.filter(({ presence }) => presence.state !== 'never');
    for (const one of known) expect(this.#orchestrators.get(one.id)?.presence).toEqual(one.presence);
    for (const one of commands) expect(this.#commands.get(one.id)).toEqual(one);
    const open = (all: Iterable<CommandSummary>) =>
      [...all].filter(({ state }) => state === 'running').map(({ id }) => id);
    expect(open(this.#commands.values()).sort()).toEqual(open(commands).sort());
    expect(new Set(this.#events).size).toBe(this.#events.length);
    const last = events.map(({ id }) => id);
    const common = last.slice(-Math.min(last.length, this.#events.length));
    expect(this.#events.slice(-common.length || this.#events.length)).toEqual(common);
  }

  #begin(snapshot: LiveSnapshot, end: Cursor): void {
    this.#orchestrators = new Map(snapshot.orchestrators.map((one) => [one.id, one]));
    this.#commands = new Map(snapshot.commands.map((one) => [one.id, one]));
    this.#events = snapshot.events.map(({ id }) => id);
    this.#told = end.count;
  }

  #go({ orchestrators, commands, events, missed }: LiveUpdate, end: Cursor): void {
    for (const one of orchestrators) this.#orchestrators.set(one.id, one);
    for (const one of commands) this.#commands.set(one.id, one);
    this.#told += events.length + missed;
    this.#events.push(...events.map(({ id }) => id));
    expect(this.#told).toBe(end.count);
  }
}
