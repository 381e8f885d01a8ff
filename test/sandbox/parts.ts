import { join } from 'node:path';
import type { Layout } from './layout.ts';
import type { PartSpec } from './processes/part.ts';
import { answers } from './processes/polling.ts';

export const PART_NAMES = ['edge', 'orchestrator', 'upstream', 'cloudflare', 'workers'] as const;
export type PartName = (typeof PART_NAMES)[number];

/** Environment of a part over its own. */
export type PartEnv = Partial<Record<PartName, Readonly<Record<string, string>>>>;

/** How to spawn workerd: the two parts that are no Node processes. */
export interface Workerds {
  readonly edge: { readonly command: string; readonly args: readonly string[] };
  readonly workers: { readonly command: string; readonly args: readonly string[] };
}

/** workerd waits for open sockets on SIGTERM; at Cloudflare a deploy ends them at once. */
const WORKERD_GRACE_MS = 300;
/** The orchestrator finishes what is open before it goes. */
const ORCHESTRATOR_GRACE_MS = 15_000;
const NODE_GRACE_MS = 2_000;

/**
 * How the image runs the orchestrator's Node, too (Dockerfile). Left alone, V8 grows its young generation from 32 to
 * 128 MiB while much passes through, and never gives that back: memory that a small VPS needs, at no gain in speed.
 */
export const ORCHESTRATOR_NODE_FLAGS = ['--max-semi-space-size=16'] as const;

/** The repository, without a slash at its end. */
export const ROOT = join(import.meta.dirname, '../..');
const node = (file: string, flags: readonly string[] = []) => ({
  command: process.execPath,
  args: [...flags, join(ROOT, file)],
});

/** What a process needs of ours, and nothing else: a developer's own CLOUDFLARE_API_TOKEN stays out. */
const inherited = (): Record<string, string> =>
  Object.fromEntries(
    ['PATH', 'HOME', 'TMPDIR', 'TZ', 'NODE_V8_COVERAGE', 'FORCE_COLOR', 'NO_COLOR'].flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );

/** Every part of the system as a process. */
export function partSpecs(
  layout: Layout,
  workerds: Workerds,
  edgeRuns: () => boolean,
  output: 'files' | 'terminal',
  extra: PartEnv,
): PartSpec<PartName>[] {
  const { dir, ports, urls, secrets } = layout;
  const common = (name: PartName, env: Record<string, string> = {}) => ({
    name,
    env: { ...inherited(), ...env, ...extra[name] },
    output: output === 'files' ? { file: join(dir, 'logs', `${name}.log`) } : output,
  });
  return [
    {
      ...common('edge'),
      ...workerds.edge,
      isUp: () => answers(`${urls.edge}/health`),
      graceMs: WORKERD_GRACE_MS,
    },
    {
      ...common('orchestrator', orchestratorEnv(layout)),
      ...node('orchestrator/src/main.ts', ORCHESTRATOR_NODE_FLAGS),
      // Ready means connected; while the edge is down on purpose, running is all there is to wait for.
      isUp: async () =>
        (await answers(`${urls.orchestrator}/ready`)) ||
        (!edgeRuns() && (await answers(`${urls.orchestrator}/health`, 'anything'))),
      graceMs: ORCHESTRATOR_GRACE_MS,
    },
    {
      ...common('upstream', { PORT: String(ports.upstream), LOG_FILE: join(dir, 'upstream.jsonl') }),
      ...node('test/sandbox/upstream/main.ts'),
      isUp: () => answers(`${urls.upstream}/_log`),
      graceMs: NODE_GRACE_MS,
    },
    {
      ...common('cloudflare', {
        PORT: String(ports.cloudflare),
        DATA_DIR: join(dir, 'cloudflare'),
        ACCOUNT_ID: secrets.cloudflareAccountId,
        API_TOKEN: secrets.cloudflareApiToken,
        RUNNER_PORT: String(ports.workers),
        RUNNER_TOKEN: layout.runnerToken,
      }),
      ...node('test/sandbox/cloudflare/main.ts'),
      isUp: () => answers(`http://127.0.0.1:${ports.cloudflare}/_health`),
      graceMs: NODE_GRACE_MS,
    },
    {
      ...common('workers'),
      ...workerds.workers,
      isUp: () => answers(`http://127.0.0.1:${ports.workers}/`, 'anything'),
      graceMs: WORKERD_GRACE_MS,
    },
  ];
}

function orchestratorEnv({ dir, ports, urls, secrets, tenant, key }: Layout): Record<string, string> {
  return {
    ORCHESTRATOR_ID: tenant.orchestratorId,
    EDGE_URL: urls.edge,
    KEY_FILE: key.file,
    DATA_DIR: join(dir, 'orchestrator'),
    PORT: String(ports.orchestrator),
    // Who tries several lanes says so to `npm start`; the demo site's orchestrator is granted four.
    LANES: process.env['LANES'] ?? '1',
    WATCH_MINUTES: process.env['WATCH_MINUTES'] ?? '5',
    CLOUDFLARE_API_TOKEN: secrets.cloudflareApiToken,
    CLOUDFLARE_ACCOUNT_ID: secrets.cloudflareAccountId,
    CLOUDFLARE_BASE_URL: urls.cloudflareApi,
  };
}
