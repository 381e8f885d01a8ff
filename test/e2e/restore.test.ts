import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { withSystem } from './harness/system.ts';

const system = withSystem();
const CLAWCTL = fileURLToPath(new URL('../../orchestrator/bin/clawctl.mjs', import.meta.url));

/** Runs the command line on the VPS, in the orchestrator's environment. */
async function clawctl(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const { sandbox, file } = system();
  const env = {
    ...sandbox.spec('orchestrator').env,
    CLAWCTL_URL: file.edgeUrl,
    CLAWCTL_TOKEN: file.adminToken,
  };
  const child = spawn(process.execPath, [CLAWCTL, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}

const backupFile = () => join(system().sandbox.layout.dir, 'backup.db');
const isRunning = () =>
  eventually(
    'the desired config runs',
    () => system().config(),
    ({ generation, digest, running }) => running?.generation === generation && running.digest === digest,
  );

test('a backup is made while the orchestrator runs, and is not restored under it', async () => {
  await system().configure({ worker: { vars: { WHEN: 'before' } } });
  expect(await clawctl('backup', backupFile())).toMatchObject({ code: 0, err: '' });
  const refused = await clawctl('restore', backupFile());
  expect(refused).toMatchObject({ code: 1, out: '' });
  expect(refused.err).toMatch(/^clawctl: something listens on PORT \d+: stop the orchestrator [^\n]+\n$/);
});

test('L3: after a restore nothing that the edge knows is lost, and no command is carried out twice', async () => {
  const { sandbox } = system();
  const after = await system().configure({ worker: { vars: { WHEN: 'after the backup' } } });
  await sandbox.stopPart('orchestrator');
  const { generation } = await system().config();
  const taken = await system().act('update_config', {
    base: generation,
    patch: { worker: { vars: { WHEN: 'while away' } } },
  });
  const restored = await clawctl('restore', backupFile());
  expect(restored).toMatchObject({ code: 0, err: '' });
  expect(restored.out).toMatch(/kept what was there: .*before-restore.*\nnext: start the orchestrator/s);
  await sandbox.startPart('orchestrator');
  expect(await system().finished(taken.json.data.commandId)).toMatchObject({ state: 'succeeded' });
  await isRunning();
  expect(await system().finished(after.id)).toEqual(after);
  const { lastResync } = await system().orchestrator();
  expect(lastResync).toMatchObject({ unrecoverable: 0 });
});

test('what happened before and after the restore is in the events, each once', async () => {
  const { out } = await eventually(
    'the last change is listed',
    () => clawctl('--json', 'events', '--type', 'config_change', '--limit', '50'),
    (listed) => JSON.parse(listed.out).length >= 3,
  );
  const ids = JSON.parse(out).map(({ id }: { id: string }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});
