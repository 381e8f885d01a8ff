import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** `.sandbox/control.json`: how `npm run sandbox` reaches the supervisor. */
const controlFile = z.object({
  url: z.string(),
  token: z.string(),
  /** The supervisor's; one of an earlier version did not say it. */
  pid: z.int().optional(),
});
export type ControlFile = z.infer<typeof controlFile>;

const pathIn = (dir: string): string => join(dir, 'control.json');

export function readControl(dir: string): ControlFile | undefined {
  const path = pathIn(dir);
  return existsSync(path) ? controlFile.parse(JSON.parse(readFileSync(path, 'utf8'))) : undefined;
}

/** The token keeps out web pages, which may send requests to loopback but cannot read files. */
export const writeControl = (dir: string, file: ControlFile): void =>
  writeFileSync(pathIn(dir), JSON.stringify(file), { mode: 0o600 });

export const removeControl = (dir: string): void => rmSync(pathIn(dir), { force: true });
