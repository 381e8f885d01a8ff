import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EdgeDatabase, Statement } from '../edge/database.ts';
import type { EdgeSettings } from '../edge/settings.ts';

const EXISTING_API = join(import.meta.dirname, '../existing.sql');

const plain = (sql: string): Statement => ({ sql, params: [] });

/** As `wrangler d1 migrations apply` makes it, so that it agrees with us on what was applied. */
const bookkeeping = (table: string): string => `CREATE TABLE IF NOT EXISTS ${table}(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

/** Makes the existing API's tables and applies the edge's migrations that are new, each in one batch. */
export async function migrate(
  database: EdgeDatabase,
  { migrationsDir, migrationsTable }: EdgeSettings,
): Promise<void> {
  const [, , applied = []] = await database.batch([
    plain(readFileSync(EXISTING_API, 'utf8')),
    plain(bookkeeping(migrationsTable)),
    plain(`SELECT name FROM ${migrationsTable}`),
  ]);
  const known = new Set(applied.map(({ name }) => name));
  const files = readdirSync(migrationsDir).filter((file) => file.endsWith('.sql'));
  for (const name of files.sort()) {
    if (known.has(name)) continue;
    await database.batch([
      plain(readFileSync(join(migrationsDir, name), 'utf8')),
      { sql: `INSERT INTO ${migrationsTable} (name) VALUES (?)`, params: [name] },
    ]);
  }
}
