import { join } from 'node:path';
import type { Command } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { command, ID, orchestratorOf, SANDBOX, siteOf, taken } from './answers.fixture.ts';
import { clawctl, folder, passing } from './clawctl.fixture.ts';
import { CliError } from './io.ts';

describe('deploy', () => {
  const edge = (ended: Partial<Command>) => ({
    'GET /api/v1/sites': [() => ({ items: [siteOf('site-1')], next: null })],
    'POST /api/v1/orchestrator': [taken],
    [`GET /api/v1/commands/${ID}`]: [
      () =>
        command({
          state: 'running',
          milestones: [{ milestone: 'uploaded', at: 2_000, detail: 'version v-1' }],
        }),
      () => command({ milestones: [{ milestone: 'uploaded', at: 2_000, detail: 'version v-1' }], ...ended }),
    ],
  });

  it('sends a folder’s files as they are, waits with a line for each step, and prints the result', async () => {
    const root = folder({
      'src/index.js': 'export default {}',
      'src/a.bin': new Uint8Array([0xff, 0xfe, 0]),
      '.git/config': 'no',
      'node_modules/x/index.js': 'no',
    });
    const args = ['deploy', root, '--no-bundle', '--name', 'tracker', '--var', 'A=1=2', '--var', 'B='];
    const { out, err, seen, error } = await clawctl(args, edge({ result: { url: 'https://x' } }));
    expect(error).toBeUndefined();
    const post = seen.find(({ method }) => method === 'POST');
    expect(post?.body).toEqual({
      action: 'deploy_worker',
      siteId: 'site-1',
      payload: {
        name: 'tracker',
        mainModule: 'src/index.js',
        modules: { 'src/a.bin': { base64: '//4A' }, 'src/index.js': 'export default {}' },
        compatibilityDate: '2026-11-01',
        vars: { A: '1=2', B: '' },
      },
    });
    expect(err.split('\n')).toEqual([
      'tracker: as it is, 0.0 KB in 2 modules, compatibility date 2026-11-01, variables: A, B',
      ...[`${ID} queued`, '00:00:01 queued', '00:00:02 uploaded (version v-1)'],
    ]);
    expect(JSON.parse(out)).toEqual({ url: 'https://x' });
  });

  it('detached, says what was taken and asks no further', async () => {
    const root = folder({ 'index.js': '' });
    const { out, seen, error } = await clawctl(
      ['deploy', root, '--site', 's', '--name', 'n', '--detach'],
      edge({}),
    );
    expect(error).toBeUndefined();
    expect(out).toBe(`${ID} queued`);
    expect(seen.map(({ method }) => method)).toEqual(['POST']);
  });

  it('takes one file, and names the Worker after it', async () => {
    const root = folder({ 'Lead_Form.v2.js': 'export default {}' });
    const args = ['deploy', '--no-bundle', join(root, 'Lead_Form.v2.js'), '--site', 's'];
    const { seen } = await clawctl(args, edge({}));
    expect(seen[0]?.body).toMatchObject({
      siteId: 's',
      payload: { name: 'lead-form-v2', mainModule: 'Lead_Form.v2.js' },
    });
  });

  it('fails with one sentence when the command failed', async () => {
    const root = folder({ 'index.js': '' });
    const ended = {
      state: 'failed' as const,
      error: { code: 'cloudflare_refused' as const, message: 'Uncaught SyntaxError' },
    };
    const { error } = await clawctl(['deploy', root, '--name', 'x'], edge(ended));
    expect(error).toEqual(new CliError('deploy_worker failed: Uncaught SyntaxError (cloudflare_refused)'));
  });

  it('repeats a request that did not get through, under one key', async () => {
    const root = folder({ 'index.js': '' });
    const answers = edge({});
    const broken = (): never => {
      throw new TypeError('fetch failed');
    };
    const { seen, error } = await clawctl(['deploy', root, '--site', 's', '--name', 'x'], {
      ...answers,
      'POST /api/v1/orchestrator': [broken, taken],
    });
    expect(error).toBeUndefined();
    const keys = seen
      .filter(({ method }) => method === 'POST')
      .map(({ headers }) => headers.get('idempotency-key'));
    expect(keys).toEqual(['clawctl-id-1', 'clawctl-id-1']);
  });

  it.each([
    ['a folder that is not there', ['deploy', '/nowhere'], /\/nowhere cannot be read: ENOENT/],
    ['a main that is not there', ['deploy', '.', '--main', 'x.js'], /there is no module x\.js/],
    ['no main', ['deploy', 'lib'], /name the main module with --main/],
    ['a wrong name', ['deploy', '.', '--name', 'A B'], /name: expected a Worker name/],
    ['a wrong variable', ['deploy', '.', '--var', 'A'], /--var A: expected NAME=value/],
  ])(
    'says what is wrong with %s, and sends nothing',
    async (_what, [verb = '', path = '', ...rest], message) => {
      const root = folder({ 'index.js': '', 'lib/a.js': '' });
      const { error, seen } = await clawctl([
        verb,
        path.startsWith('/') ? path : join(root, path),
        '--site',
        's',
        ...rest,
      ]);
      expect(error).toBeInstanceOf(CliError);
      expect(String(error)).toMatch(message);
      expect(seen).toEqual([]);
    },
  );

  it('asks for the site when there are several, in a sandbox too', async () => {
    const root = folder({ 'index.js': '', '.sandbox/sandbox.json': JSON.stringify(SANDBOX) });
    const sites = { 'GET /api/v1/sites': [() => ({ items: [siteOf('a'), siteOf('b')], next: null })] };
    for (const more of [{}, { env: {}, cwd: root }]) {
      const { error } = await clawctl(['deploy', root, '--name', 'x'], sites, more);
      expect(String(error)).toMatch(/name one of a, b with --site/);
    }
  });

  it.each([
    [{ state: 'away', reason: 'the socket was lost' }, 'the orchestrator is away (the socket was lost)'],
    [{ state: 'never' }, 'the orchestrator has never connected'],
    [undefined, 'the orchestrator has not taken the command yet'],
  ])('says once, after two seconds, why a command stays queued: %o', async (presence, why) => {
    const root = folder({ 'index.js': '' });
    const queued = () => command({ state: 'queued' });
    const { err, error } = await clawctl(
      ['deploy', root, '--name', 'x'],
      {
        ...edge({}),
        [`GET /api/v1/commands/${ID}`]: [...Array.from({ length: 20 }, () => queued), () => command()],
        ...(presence && { 'GET /api/v1/orchestrators/vps-1': [() => orchestratorOf(presence)] }),
      },
      passing(),
    );
    expect(error).toBeUndefined();
    const hint = `Ctrl-C leaves the command queued, "clawctl commands cancel ${ID}" withdraws it`;
    expect(err.split('\n').slice(3)).toEqual([`waiting: ${why}; ${hint}`]);
  });

  it('says nothing of waiting while a command runs, or is taken at once', async () => {
    const root = folder({ 'index.js': '' });
    const running = () => command({ state: 'running' });
    const { err } = await clawctl(
      ['deploy', root, '--name', 'x'],
      {
        ...edge({}),
        [`GET /api/v1/commands/${ID}`]: [...Array.from({ length: 20 }, () => running), () => command()],
      },
      passing(),
    );
    expect(err).not.toMatch('waiting');
  });
});
