import { join } from 'node:path';
import { freePort } from '../../sandbox/cloudflare/start.ts';
import { EdgeDatabase } from '../../sandbox/edge/database.ts';
import { bundleEdge, writeEdge } from '../../sandbox/edge/files.ts';
import { readSettings } from '../../sandbox/edge/settings.ts';
import { Part } from '../../sandbox/processes/part.ts';
import { answers } from '../../sandbox/processes/polling.ts';
import { Sandbox } from '../../sandbox/sandbox.ts';
import type { Cleanup } from '../cleanup.ts';
import { Sender } from './sender.ts';

/** The edge as the sandbox has it, its D1, and in the orchestrator's place a process that writes events. */
export interface System {
  readonly sandbox: Sandbox;
  readonly database: EdgeDatabase;
  readonly bare: { readonly url: string; pid(): number };
  /** Of the edge's workerd. */
  edgePid(): number;
  readonly cleanup: Cleanup;
}

export async function startSystem(dir: string, cleanup: Cleanup): Promise<System> {
  const sandbox = await Sandbox.prepare({ dir: join(dir, 'sandbox'), ports: 'free' });
  cleanup.add(() => sandbox.stop());
  await sandbox.start();
  await sandbox.stopPart('orchestrator');
  const { urls, adminToken } = sandbox.layout;
  const database = new EdgeDatabase(urls.admin, adminToken);
  const bare = await startBare(join(dir, 'bare'), cleanup);
  return { sandbox, database, bare, edgePid: () => running(sandbox.file.pids['edge']), cleanup };
}

function running(pid: number | undefined): number {
  if (pid === undefined) throw new Error('a process of the benchmark has ended');
  return pid;
}

/** The sender takes the orchestrator's place: its key, its database, its name. */
export function startSender({ sandbox, bare, cleanup }: System): Sender {
  const { dir, urls, tenant, key } = sandbox.layout;
  return new Sender(
    {
      DATA_DIR: join(dir, 'orchestrator'),
      EDGE_URL: urls.edge,
      ORCHESTRATOR_ID: tenant.orchestratorId,
      KEY_FILE: key.file,
      SITE_ID: tenant.siteId,
      BARE_URL: bare.url,
    },
    cleanup,
  );
}

/** The same workerd with the same config around another Worker, whose object takes a socket at `url`. */
async function startBare(dir: string, cleanup: Cleanup): Promise<System['bare']> {
  const { compatibilityDate, compatibilityFlags } = await readSettings();
  const port = await freePort();
  await bundleEdge(dir, join(import.meta.dirname, 'bare/worker.ts'));
  const launch = writeEdge(dir, {
    compatibilityDate,
    compatibilityFlags,
    port,
    adminPort: await freePort(),
    adminToken: 'unused',
    ipv6: false,
    vars: {},
    objectsDir: join(dir, 'objects'),
    d1Dir: join(dir, 'd1'),
    assetsDir: join(dir, 'assets'),
  });
  const part = new Part(
    {
      name: 'bare',
      ...launch,
      env: {},
      output: { file: join(dir, 'bare.log') },
      isUp: () => answers(`http://127.0.0.1:${port}`, 'anything'),
      graceMs: 300,
    },
    { changed: () => undefined, revived: (name, how) => console.error(`${name} died (${how})`) },
  );
  cleanup.add(() => part.stop());
  await part.start();
  return { url: `ws://127.0.0.1:${port}`, pid: () => running(part.pid) };
}
