import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type SiteConfigState, siteConfigState } from '@clawdbot/protocol';
import { expect, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { withSystem } from './harness/system.ts';

const system = withSystem();
const CLAWCTL = fileURLToPath(new URL('../../orchestrator/bin/clawctl.mjs', import.meta.url));

/** Runs the command line as an operator's script does: no terminal. */
async function clawctl(
  args: string[],
  input = '',
): Promise<{ code: number | null; out: string; err: string }> {
  const { edgeUrl, adminToken } = system().file;
  const env = { PATH: process.env['PATH'], CLAWCTL_URL: edgeUrl, CLAWCTL_TOKEN: adminToken };
  const child = spawn(process.execPath, [CLAWCTL, ...args], { env });
  child.stdin.end(input);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, err };
}
const site = () => system().file.siteId;
const stateWhere = (what: string, is: (state: SiteConfigState) => boolean) =>
  eventually(what, () => system().config(), is);
const vars = (colour: string) => JSON.stringify({ worker: { vars: { COLOUR: colour } } });

test('an edit shows what it changes, stands in the history with its note, and is rolled back as a new generation', async () => {
  const before = await system().config();
  const set = await clawctl(['config', 'set', site(), '--note', 'spring'], vars('blue'));
  expect([set.code, set.err]).toEqual([0, expect.stringContaining('+    COLOUR: blue')]);
  const back = await clawctl(['config', 'rollback', site(), String(before.generation), '--yes']);
  expect(back.code).toBe(0);
  const after = await system().config();
  expect(after).toMatchObject({
    ...{ generation: before.generation + 2, digest: before.digest },
    ...{ note: `rollback to generation ${before.generation}` },
    applied: { relay: { state: 'applied' }, edge: { state: 'applied' } },
  });
  const history = JSON.parse((await clawctl(['--json', 'config', 'history', site(), '--limit', '2'])).out);
  expect(history).toMatchObject([{ runs: true }, { note: 'spring', state: 'applied', runs: false }]);
});

test('an export that is applied changes nothing, and a file changes what differs', async () => {
  const file = join(system().sandbox.layout.dir, 'fleet.yaml');
  expect((await clawctl(['config', 'export', file])).code).toBe(0);
  const { generation } = await system().config();
  const same = await clawctl(['config', 'apply', file, '--yes']);
  expect([same.code, same.out]).toEqual([0, 'nothing was changed\n']);
  expect((await system().config()).generation).toBe(generation);
  writeFileSync(file, readFileSync(file, 'utf8').replace(/vars: \{\}/, 'vars: { COLOUR: red }'));
  expect((await clawctl(['config', 'apply', file, '--yes', '--note', 'from a file'])).code).toBe(0);
  const changed = await system().config();
  expect([changed.config.worker.vars, changed.note]).toEqual([{ COLOUR: 'red' }, 'from a file']);
});

test('a refused config is tried by each process that follows, thrice at most; customers keep the last good one', async () => {
  const good = await system().config();
  const routes = [{ path: '/*', upstream: 'http://192.0.2.1', offline: 'unavailable' }];
  expect(await system().configure({ routes })).toMatchObject({ state: 'failed' });
  for (const failures of [2, 3]) {
    system().kill('orchestrator');
    await stateWhere(
      `it has failed ${failures} times`,
      ({ lastFailure }) => lastFailure?.failures === failures,
    );
  }
  await system().works();
  const quarantined = siteConfigState.parse(await system().config());
  expect(quarantined).toMatchObject({
    generation: good.generation + 1,
    running: { generation: good.generation, digest: good.digest },
    lastGood: { generation: good.generation },
    lastFailure: { failures: 3, error: expect.stringContaining('not allowed') },
    applied: { relay: { state: 'quarantined', generation: good.generation } },
  });
  expect((await clawctl(['config', 'rollback', site(), String(good.generation)])).code).toBe(0);
  await stateWhere('the good one runs again', ({ applied }) => applied.relay.state === 'applied');
});

test('a change of the variables waits for a deployment, and is applied once one that took them is seen', async () => {
  const deploy = async () => {
    const payload = {
      ...{ name: 'coloured', mainModule: 'index.js', compatibilityDate: '2026-11-01' },
      modules: {
        'index.js':
          'export default { fetch: (_, env) => new Response(env.COLOUR, { headers: { "worker-version": env.CF_VERSION_METADATA.id } }) }',
      },
    };
    const taken = await system().act('deploy_worker', payload);
    return system().finished(taken.json.data.commandId);
  };
  expect(await deploy()).toMatchObject({ state: 'succeeded' });
  expect((await system().config()).applied.worker).toMatchObject({ state: 'applied' });
  await system().configure({ worker: { vars: { COLOUR: 'green' } } });
  expect((await system().config()).applied.worker).toMatchObject({
    ...{ state: 'pending', why: expect.stringContaining('redeploy: coloured') },
  });
  expect(await deploy()).toMatchObject({ state: 'succeeded' });
  await stateWhere('the variables are applied', ({ applied }) => applied.worker?.state === 'applied');
});
