import { describe, expect, it } from 'vitest';
import type { UseSql } from './use.ts';

export function describePort(use: UseSql): void {
  describe('the storage port', () => {
    it('takes plain and numbered parameters, and gives rows of RETURNING', () =>
      use((sql) => {
        sql.run('CREATE TABLE t (a TEXT, b INTEGER)');
        sql.run('INSERT INTO t VALUES (?, ?)', 'plain', 1);
        expect(sql.run('INSERT INTO t VALUES (?1, ?2) RETURNING a, b', 'numbered', 2)).toEqual([
          { a: 'numbered', b: 2 },
        ]);
        expect(sql.run('SELECT a FROM t WHERE b = ?1 OR b = ?1 + 1 ORDER BY b', 1)).toHaveLength(2);
        expect(sql.run('DELETE FROM t WHERE b = ?', 1)).toEqual([]);
      }));

    it('joins a nested transaction to the outer one, whose failure undoes both', () =>
      use((sql) => {
        sql.run('CREATE TABLE t (a INTEGER)');
        expect(() =>
          sql.transaction(() => {
            sql.run('INSERT INTO t VALUES (1)');
            sql.transaction(() => sql.run('INSERT INTO t VALUES (2)'));
            throw new Error('outer');
          }),
        ).toThrow('outer');
        expect(sql.run('SELECT a FROM t')).toEqual([]);
      }));
  });
}
