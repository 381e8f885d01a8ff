import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { EdgeDatabase } from '../../sandbox/edge/database.ts';
import { loadKey } from '../../sandbox/identity.ts';
import { choosePorts } from '../../sandbox/ports.ts';
import { Part } from '../../sandbox/processes/part.ts';
import { answers } from '../../sandbox/processes/polling.ts';
import { DEMO, register } from '../../sandbox/seed/tenants.ts';
import type { System } from './system.ts';

/** A second orchestrator of the demo organisation, as another VPS would be: its own key, database and port. */
export async function startSecond({ sandbox }: System, orchestratorId: string): Promise<Part> {
  const { layout } = sandbox;
  const key = loadKey(layout.dir, orchestratorId);
  const database = new EdgeDatabase(layout.urls.admin, layout.adminToken);
  await register(database, { ...DEMO, orchestratorId, lanes: 1 }, key, Date.now());
  const { env, ...spec } = sandbox.spec('orchestrator');
  const dir = join(layout.dir, orchestratorId);
  mkdirSync(dir);
  const { orchestrator: port } = (await choosePorts(dir, {}, Math.random)).ports;
  const own = {
    ORCHESTRATOR_ID: orchestratorId,
    KEY_FILE: key.file,
    DATA_DIR: dir,
    PORT: String(port),
    LANES: '1',
  };
  const part = new Part(
    {
      ...spec,
      env: { ...env, ...own },
      output: { file: join(layout.dir, `logs/${orchestratorId}.log`) },
      isUp: () => answers(`http://127.0.0.1:${port}/ready`),
    },
    { changed: () => undefined, revived: () => undefined },
  );
  await part.start();
  return part;
}
