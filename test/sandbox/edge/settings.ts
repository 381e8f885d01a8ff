import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const EDGE = join(import.meta.dirname, '../../../edge-worker');

const settings = z.object({
  main: z.string(),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()).default([]),
  d1_databases: z.tuple([z.object({ migrations_dir: z.string(), migrations_table: z.string() })]),
});

/** What production runs the edge with, as far as the sandbox must do the same. */
export interface EdgeSettings {
  readonly entry: string;
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly migrationsDir: string;
  /** Where `wrangler d1 migrations apply` writes down what was applied. */
  readonly migrationsTable: string;
}

/** Reads `edge-worker/wrangler.jsonc`. JSON with comments is a JavaScript expression: no parser is needed. */
export async function readSettings(): Promise<EdgeSettings> {
  const text = readFileSync(join(EDGE, 'wrangler.jsonc'), 'utf8');
  const module_: unknown = await import(
    `data:text/javascript,${encodeURIComponent(`export default ${text}`)}`
  );
  const { main, compatibility_date, compatibility_flags, d1_databases } = z
    .object({ default: settings })
    .parse(module_).default;
  const [database] = d1_databases;
  return {
    entry: join(EDGE, main),
    compatibilityDate: compatibility_date,
    compatibilityFlags: compatibility_flags,
    migrationsDir: join(EDGE, database.migrations_dir),
    migrationsTable: database.migrations_table,
  };
}
