import { runInDurableObject } from 'cloudflare:test';
import type { Sql } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { fresh } from '../../edge.fixture.ts';
import { stubOf } from '../channel.fixture.ts';
import { objectSql } from '../store.ts';
import { MoveBook } from './book.ts';
import { MoveNews } from './news.ts';

/** Over an object's own database, with the clock in the test's hand. */
const inObject = (work: (sql: Sql, book: MoveBook, clock: { now: number }) => void): Promise<void> =>
  runInDurableObject(stubOf(fresh('movenews')), (_, { storage }) => {
    const sql = objectSql(storage);
    const clock = { now: 1 };
    work(sql, new MoveBook(sql, () => clock.now), clock);
  });

const newsOf = (sql: Sql, book: MoveBook, clock: { readonly now: number }) =>
  new MoveNews({ sql, book, orchestratorId: 'a', now: () => clock.now });
const depart = (book: MoveBook, siteId: string) =>
  book.depart({ moveId: `move_a_${siteId}`, siteId, target: 'b', actor: 'op' });
const store = (sql: Sql, siteId: string, n: number, seq = 0) =>
  sql.run(
    `INSERT INTO receipts (id, site_id, route, state, seq, received_at, expires_at, due, sha256, bytes, kept, history)
     VALUES (?, ?, '/', 'stored', ?, 1, 2, 2, '', 0, 1, '[]')`,
    ...[`rcpt_${siteId}_${n}`, siteId, seq],
  );

it('of a move whose site is held, how many requests wait is told without a step, and not after its end', () =>
  inObject((sql, book, clock) => {
    const news = newsOf(sql, book, clock);
    depart(book, 'shop');
    expect(news.changed()).toMatchObject([{ siteId: 'shop', state: 'preparing' }]);
    expect(news.changed()).toEqual([]);
    clock.now = 5;
    book.set('move_a_shop', 'moving');
    expect(news.changed()).toMatchObject([{ state: 'moving', heldAt: 5, waiting: 0 }]);
    store(sql, 'shop', 1);
    store(sql, 'shop', 2, 7);
    store(sql, 'other', 1);
    expect(news.changed()).toMatchObject([{ waiting: 1 }]);
    for (const state of ['moved', 'following'] as const) book.set('move_a_shop', state);
    const [ended] = news.changed();
    expect(ended).toMatchObject({ state: 'moved', pausedMs: 0, updatedAt: 5 });
    expect(ended).not.toHaveProperty('waiting');
    expect(news.changed()).toEqual([]);
  }));

it('whoever begins to watch is told of all that are under way, and of those that ended within the hour', () =>
  inObject((sql, book, clock) => {
    for (let n = 0; n < 3; n++) {
      clock.now = n * 3_000_000;
      depart(book, `ended-${n}`);
      book.set(`move_a_ended-${n}`, 'closed');
    }
    depart(book, 'open');
    const all = newsOf(sql, book, clock).all();
    expect(all).toMatchObject([
      { siteId: 'ended-2', state: 'undone' },
      { siteId: 'ended-1' },
      { siteId: 'open', state: 'preparing' },
    ]);
    expect(all).toHaveLength(3);
  }));
