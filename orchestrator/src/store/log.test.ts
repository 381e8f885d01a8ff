import Sqlite from 'better-sqlite3';
import { describeLog } from '../../../protocol/src/log/contract.ts';
import { createSql } from './sql.ts';

describeLog('better-sqlite3', (use) => {
  const db = new Sqlite(':memory:');
  try {
    return use(createSql(db));
  } finally {
    db.close();
  }
});
