import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** `.sandbox/sandbox.json`: all that tests and tools need to know of a running sandbox. */
export const sandboxFile = z.object({
  /** The console: API, dashboard, channel. */
  edgeUrl: z.string(),
  /** The relay, an origin of its own. */
  relayUrl: z.string(),
  orchestratorUrl: z.string(),
  /** What goes into `CLOUDFLARE_API_BASE_URL`. */
  cloudflareApiUrl: z.string(),
  cloudflareAccountId: z.string(),
  cloudflareApiToken: z.string(),
  /** Answers `{ "<worker name>": "<its url>" }`. */
  workersUrl: z.string(),
  upstreamUrl: z.string(),
  /** The demo site's page, behind a Worker and with a tag; absent where it was not asked for. */
  demoUrl: z.string().optional(),
  orgId: z.string(),
  orchestratorId: z.string(),
  siteId: z.string(),
  adminToken: z.string(),
  viewerToken: z.string(),
  /** A second organisation. */
  other: z.object({ orgId: z.string(), siteId: z.string(), adminToken: z.string() }),
  /** The process whose SIGKILL ends that part, for each part that runs. */
  pids: z.record(z.string(), z.int()),
});
export type SandboxFile = z.infer<typeof sandboxFile>;

const pathIn = (dir: string): string => join(dir, 'sandbox.json');

/** By a rename, so that a reader never sees half of it. */
function write(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export const publish = (dir: string, file: SandboxFile): void => write(pathIn(dir), file);

/** Not running, or not yet: there is no file then. */
export const unpublish = (dir: string): void => rmSync(pathIn(dir), { force: true });

const pids = z.record(z.string(), z.int());
export type Pids = z.infer<typeof pids>;
const pidsIn = (dir: string): string => join(dir, 'pids.json');

/** The supervisor's own notes, kept from the first process on: what a killed one has left running. */
export const notePids = (dir: string, running: Pids): void => write(pidsIn(dir), running);

export function notedPids(dir: string): Pids {
  const path = pidsIn(dir);
  return existsSync(path) ? pids.parse(JSON.parse(readFileSync(path, 'utf8'))) : {};
}
