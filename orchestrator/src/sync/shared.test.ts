import type { RowChanged } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import { SharedTables } from './shared.ts';

const change = (position: number, key: string, row?: RowChanged['row']): RowChanged => ({
  type: 'row_changed',
  table: 'customers',
  key,
  position,
  ...(row && { row }),
});

function build(): SharedTables {
  const sql = createSql(new Sqlite(':memory:'));
  for (const migrate of MIGRATIONS) migrate(sql);
  return new SharedTables(sql);
}

let shared: SharedTables;
beforeEach(() => {
  shared = build();
});

describe('a row of D1', () => {
  it('is here as it was last written there, under its key', () => {
    shared.apply(change(1, 'c-2', { name: 'Ada' }));
    shared.apply(change(2, 'c-1', { name: 'Bob', notes: null }));
    shared.apply(change(3, 'c-2', { name: 'Ada L.' }));
    expect(shared.rows('customers', 10)).toEqual({
      items: [
        { key: 'c-1', position: 2, row: { name: 'Bob', notes: null } },
        { key: 'c-2', position: 3, row: { name: 'Ada L.' } },
      ],
      next: null,
    });
  });

  it('that was deleted stays so when an older state of it comes again', () => {
    shared.apply(change(1, 'c-1', { name: 'Ada' }));
    shared.apply(change(5, 'c-1'));
    shared.apply(change(4, 'c-1', { name: 'late' }));
    expect(shared.rows('customers', 10).items).toEqual([]);
    expect(shared.tables()).toEqual([{ table: 'customers', rows: 0, position: 5 }]);
  });

  it('is in its newest state, in whatever order and however often its changes come', () => {
    const history = fc.array(
      fc.record({ key: fc.constantFrom('a', 'b'), deleted: fc.boolean(), order: fc.integer() }),
    );
    fc.assert(
      fc.property(history, (steps) => {
        const changes = steps.map(({ key, deleted }, index) =>
          change(index + 1, key, deleted ? undefined : { at: index + 1 }),
        );
        const tried = build();
        const shuffled = changes
          .map((entry, index) => ({ entry, order: steps[index]?.order ?? 0 }))
          .sort((a, b) => a.order - b.order);
        for (const { entry } of [...shuffled, ...shuffled.slice(0, 3)]) tried.apply(entry);
        const newest = ['a', 'b'].flatMap((key) => changes.findLast((entry) => entry.key === key) ?? []);
        expect(tried.rows('customers', 10).items).toEqual(
          newest.flatMap(({ key, position, row }) => (row ? [{ key, position, row }] : [])),
        );
      }),
      { numRuns: 100 },
    );
  });
});

describe('the lists', () => {
  it('go by key, page by page, each table for itself', () => {
    for (const n of [1, 2, 3]) shared.apply(change(n, `c-${n}`, { n }));
    shared.apply({ ...change(4, 'c-9', { n: 9 }), table: 'agencies' });
    const first = shared.rows('customers', 2);
    expect([first.items.map(({ key }) => key), first.next]).toEqual([['c-1', 'c-2'], 'c-2']);
    expect(shared.rows('customers', 2, 'c-2')).toMatchObject({ items: [{ key: 'c-3' }], next: null });
    expect(shared.rows('nowhere', 2)).toEqual({ items: [], next: null });
    expect(shared.tables()).toEqual([
      { table: 'agencies', rows: 1, position: 4 },
      { table: 'customers', rows: 3, position: 3 },
    ]);
  });
});
