import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describeLog } from '../../../protocol/src/log/contract.ts';
import { objectSql } from './store.ts';

let opened = 0;

describeLog("the object's SQLite", (use) =>
  runInDurableObject(env.CHANNEL.getByName(`log-${++opened}/0`), (_object, { storage }) => {
    for (const table of ['log_outbox', 'log_inbox', 'log_state', 'log_retired'])
      storage.sql.exec(`DROP TABLE IF EXISTS ${table}`);
    return use(objectSql(storage));
  }),
);
