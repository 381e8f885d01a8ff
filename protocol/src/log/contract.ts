import { describe } from 'vitest';
import { describeBatches } from './contract/batches.ts';
import { describeInbox } from './contract/inbox.ts';
import { describeLetters } from './contract/letters.ts';
import { describeOutbox } from './contract/outbox.ts';
import { describePort } from './contract/port.ts';
import { describeProgress } from './contract/progress.ts';
import { describeRestores } from './contract/restores.ts';
import { describeRoom } from './contract/room.ts';
import { describeSchema } from './contract/schema.ts';
import { describeTogether } from './contract/together.ts';
import type { UseSql } from './contract/use.ts';
import { migrateLogTables } from './schema.ts';

/**
 * What a durable log promises, held against one adapter of the storage port: run it over each.
 * `useSql` gives each call a new, empty database.
 */
export function describeLog(adapter: string, useSql: UseSql): void {
  const withTables: UseSql = (use) =>
    useSql((sql) => {
      migrateLogTables(sql, 1);
      migrateLogTables(sql, 2);
      return use(sql);
    });

  describe(`durable log over ${adapter}`, () => {
    describeOutbox(withTables);
    describeBatches(withTables);
    describeProgress(withTables);
    describeRoom(withTables);
    describeInbox(withTables);
    describeLetters(withTables);
    describeRestores(withTables);
    describeTogether(withTables);
    describeSchema(useSql);
    describePort(useSql);
  });
}
