import { describe, expect, it } from 'vitest';
import { Inbox } from '../inbox.ts';
import { migrateLogTables } from '../schema.ts';
import type { Sql } from '../sql.ts';
import { bodiesOf, LOG_ID, outboxOver, type UseSql } from './use.ts';

/** As version 1 leaves them: three entries written, two of them acknowledged; one taken in, one dead. */
function fillVersion1(sql: Sql): void {
  migrateLogTables(sql, 1);
  for (const seq of [1, 2, 3]) {
    sql.run(
      `INSERT INTO log_outbox (log, seq, at, bytes, body) VALUES ('control', ?, 5, 4, ?)`,
      seq,
      `out${seq}`,
    );
  }
  sql.run(`INSERT INTO log_state VALUES ('control', 'out', '${LOG_ID}', 3, 3, 2, 3, 12)`);
  sql.run(
    `INSERT INTO log_inbox VALUES ('control', 'log-of-peer', 7, 5, 'poison', 'dead', 1, 'cannot be read')`,
  );
  sql.run(`INSERT INTO log_inbox VALUES ('control', 'log-of-peer', 8, 5, 'waits', 'pending', 0, NULL)`);
  sql.run(`INSERT INTO log_state VALUES ('control', 'in', 'log-of-peer', 0, 0, 8, 0, 0)`);
}

export function describeSchema(use: UseSql): void {
  describe('the tables of version 1', () => {
    it('keep every entry, position and dead letter when they become those of version 2', () =>
      use((sql) => {
        fillVersion1(sql);
        migrateLogTables(sql, 2);

        const outbox = outboxOver(sql, { newLogId: () => 'log-not-used' });
        expect(outbox.position()).toEqual({ logId: LOG_ID, oldest: 1, last: 3 });
        expect([outbox.acked, outbox.offered, outbox.projected, outbox.append('out4')]).toEqual([2, 3, 0, 4]);
        outbox.resume(2);
        expect(outbox.nextBatch().map(({ body }) => body)).toEqual(['out3', 'out4']);

        const inbox = new Inbox(sql, 'control');
        expect(inbox.follow({ logId: 'log-of-peer', oldest: 1 })).toEqual({ applied: 8 });
        expect(bodiesOf(inbox)).toEqual(['waits']);
        expect(inbox.letters(10)).toEqual([
          {
            logId: 'log-of-peer',
            seq: 7,
            at: 5,
            body: 'poison',
            attempts: 1,
            failedAt: 5,
            error: 'cannot be read',
          },
        ]);
        expect(inbox.replay({ logId: 'log-of-peer', seq: 7 })).toBe(true);
        expect(bodiesOf(inbox)).toEqual(['poison', 'waits']);
      }));
  });
}
