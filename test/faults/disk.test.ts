import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { command, orchestratorHealth } from '@clawdbot/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DATABASE_FILE } from '../../orchestrator/src/store/index.ts';
import { eventually } from '../eventually.ts';
import { Part } from '../sandbox/processes/part.ts';
import { onSmallDisk, SmallDisk } from './disk.ts';
import { readCopy } from './oracle/copy.ts';
import { SITES } from './plan.ts';
import { Rig } from './rig.ts';

let rig: Rig;
let part: Part;
let disk: SmallDisk;

beforeAll(async () => {
  rig = await Rig.start();
  await rig.sandbox.stopPart('orchestrator');
  const spec = rig.sandbox.spec('orchestrator');
  const dataDir = join(rig.sandbox.layout.dir, 'small');
  mkdirSync(dataDir);
  // The empty database is admitted as one that was lost.
  await rig.api(`/api/v1/orchestrators/${rig.file.orchestratorId}/release`, {});
  const small = onSmallDisk({ ...spec, env: { ...spec.env, DATA_DIR: dataDir } });
  part = new Part(small, { changed: () => undefined, revived: () => undefined });
  await part.start();
  disk = new SmallDisk(part.pid ?? 0, dataDir);
});

afterAll(async () => {
  await part.stop();
  await rig.stop();
});

const health = async () =>
  orchestratorHealth.parse(await (await fetch(`${rig.file.orchestratorUrl}/health`)).json());

const stateOf = async (id: string) => command.parse((await rig.api(`/api/v1/commands/${id}`)).json).state;

async function edit(base: number): Promise<string> {
  const payload = { base, config: { routes: [], worker: { vars: { EDIT: String(base) } } } };
  const { json } = await rig.api('/api/v1/orchestrator', {
    action: 'update_config',
    siteId: SITES[0],
    payload,
  });
  return json.data.commandId;
}

test('L3: while the disk is full nothing is acknowledged, requests cross, and all goes on when there is room', async () => {
  const before = await edit(0);
  await eventually(
    'it is done',
    () => stateOf(before),
    (state) => state === 'succeeded',
  );
  disk.fill();
  const id = await edit(1);
  const full = await eventually('it says so', health, ({ storage }) => storage.state !== 'ok');
  expect(full.storage.state).toBe('full');
  expect(full.status).not.toBe('healthy');
  expect(await rig.request('/echo')).toBe(200);
  expect(await stateOf(id)).toBe('queued');
  disk.free();
  await eventually(
    'it is done, by itself',
    () => stateOf(id),
    (state) => state === 'succeeded',
  );
  await eventually(
    'it is well again',
    health,
    ({ storage, status }) => storage.state === 'ok' && status === 'healthy',
  );
  const check = readCopy(join(disk.dir, DATABASE_FILE), (db) =>
    db.pragma('integrity_check', { simple: true }),
  );
  expect(check).toBe('ok');
});
