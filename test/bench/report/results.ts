import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const DIR = join(import.meta.dirname, '../../../.sandbox/bench');

/** Keeps a benchmark's numbers, the raw ones too. @returns where, as a person would type it */
export function writeResults(name: string, results: unknown): string {
  mkdirSync(DIR, { recursive: true });
  const file = join(DIR, `${name}.json`);
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  return relative(process.cwd(), file);
}
