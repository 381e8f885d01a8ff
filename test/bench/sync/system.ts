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
  readonly bareUrl: string;
  readonly cleanup: Cleanup;
}

export async function startSystem(dir: string, cleanup: Cleanup): Promise<System> {
  const sandbox = await Sandbox.prepare({ dir: join(dir, 'sandbox'), ports: 'free' });
  cleanup.add(() => sandbox.stop());
  await sandbox.start();
  await sandbox.stopPart('orchestrator');
  const { urls, adminToken } = sandbox.layout;
  const database = new EdgeDatabase(urls.admin, adminToken);
  return { sandbox, database, bareUrl: await startBare(join(dir, 'bare'), cleanup), cleanup };
}

/** The sender takes the orchestrator's place: its key, its database, its name. */
export function startSender({ sandbox, bareUrl, cleanup }: System): Sender {
  const { dir, urls, tenant, key } = sandbox.layout;
  return new Sender(
    {
      DATA_DIR: join(dir, 'orchestrator'),
      EDGE_URL: urls.edge,
      ORCHESTRATOR_ID: tenant.orchestratorId,
      KEY_FILE: key.file,
      SITE_ID: tenant.siteId,
      BARE_URL: bareUrl,
    },
    cleanup,
  );
}

/** The same workerd with the same config around another Worker. @returns where its object takes a socket */
async function startBare(dir: string, cleanup: Cleanup): Promise<string> {
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
  return `ws://127.0.0.1:${port}`;
}
