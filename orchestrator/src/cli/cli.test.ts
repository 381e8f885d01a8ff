import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from '@clawdbot/protocol';
import { digestOf, EMPTY_CONFIG } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { loadIdentity, verifyLocalToken } from '../identity.ts';
import { type Answer, clawctl, configState, folder, passing, problem } from './clawctl.fixture.ts';
import { CliError, type Io } from './io.ts';

const ID = 'cmd_vps-1_0000000000000000000001';
const command = (more: Partial<Command> = {}): Command => ({
  id: ID,
  type: 'deploy_worker',
  subject: 'hello',
  siteId: 'site-1',
  orchestratorId: 'vps-1',
  state: 'succeeded',
  createdAt: 1,
  createdBy: 'ada',
  history: [{ state: 'queued', at: 1_000 }],
  milestones: [],
  ...more,
});
const takenWith =
  (more: { generation?: number }): Answer =>
  () => ({
    success: true,
    data: { commandId: ID, state: 'queued', ...more },
    timestamp: '2026-01-01T00:00:00Z',
  });
const taken = takenWith({});
const siteOf = (id: string) => ({
  id,
  orgId: 'org-1',
  orchestratorId: 'vps-1',
  name: id,
  labels: {},
  hostnames: [],
  paused: false,
  createdAt: 1,
});

const orchestratorOf = (presence: object) => ({
  id: 'vps-1',
  orgId: 'org-1',
  presence,
  fence: 1,
  generation: 1,
  lanes: 1,
  queues: { control: 0, queue: 0, inbox: 0, deadLetters: 0, deadReceipts: 0, unprojected: 0 },
  wakes: 1,
  unknownFrames: 0,
});
const SANDBOX = {
  edgeUrl: 'http://127.0.0.1:8787',
  relayUrl: 'http://localhost:8787',
  orchestratorUrl: 'http://127.0.0.1:3000',
  orchestratorId: 'vps-1',
  siteId: 'demo',
  adminToken: 'sandbox-token',
  cloudflareApiUrl: 'http://127.0.0.1:1',
  cloudflareAccountId: 'a',
  cloudflareApiToken: 't',
};

describe('whom it asks', () => {
  const commands = { 'GET /api/v1/commands': [() => ({ items: [], next: null })] };
  const asked = async (args: string[], more: Partial<Io>) => {
    const { seen, error } = await clawctl([...args, 'commands'], commands, more);
    if (error !== undefined) throw error;
    return [new URL(seen[0]?.url ?? '').origin, seen[0]?.headers.get('authorization')];
  };

  it('are the options, else the environment, else the nearest sandbox upward', async () => {
    const root = folder({ '.sandbox/sandbox.json': JSON.stringify(SANDBOX), 'a/b/c': '' });
    const cwd = join(root, 'a/b');
    expect(await asked(['--url', 'https://other.example', '--token', 't'], { cwd })).toEqual([
      'https://other.example',
      'Bearer t',
    ]);
    expect(await asked([], { cwd })).toEqual(['https://edge.example', 'Bearer token-1']);
    expect(await asked([], { cwd, env: {} })).toEqual(['http://127.0.0.1:8787', 'Bearer sandbox-token']);
  });

  it.each([
    ['nothing is set', {}, [], /no edge to talk to: set CLAWCTL_URL/],
    ['only an address', { CLAWCTL_URL: 'https://edge.example' }, [], /no token for https:\/\/edge.example/],
    ['only a token', {}, ['--token', 't'], /no address/],
    ['an address without TLS', {}, ['--url', 'http://edge.example', '--token', 't'], /not encrypted/],
    ['no address at all', {}, ['--url', 'edge', '--token', 't'], /not the address of an edge/],
  ])('is refused when %s', async (_what, env, args, message) => {
    const root = folder({ '.sandbox/sandbox.json': JSON.stringify(SANDBOX) });
    const cwd = Object.keys(env).length + args.length === 0 ? tmpdir() : root;
    await expect(asked(args, { env, cwd })).rejects.toThrow(message);
    await expect(asked(args, { env, cwd })).rejects.toBeInstanceOf(CliError);
  });
});

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

describe('config', () => {
  const state = configState();
  const edge = {
    'GET /api/v1/sites/site-1/config': [() => state],
    'POST /api/v1/orchestrator': [takenWith({ generation: 8 })],
    [`GET /api/v1/commands/${ID}`]: [() => command({ type: 'update_config', result: { generation: 8 } })],
  };

  it('get prints the desired config', async () => {
    expect(JSON.parse((await clawctl(['config', 'get', 'site-1'], edge)).out)).toEqual(EMPTY_CONFIG);
    expect(JSON.parse((await clawctl(['--json', 'config', 'get', 'site-1'], edge)).out)).toEqual(state);
  });

  it.each([
    ['a merge patch', [], 'patch'],
    ['the whole', ['--replace'], 'config'],
  ])('set sends %s from standard input, based on what is there', async (_what, flags, member) => {
    const readStdin = async () => '{"routes":[]}';
    const { seen, out, error } = await clawctl(['config', 'set', 'site-1', ...flags], edge, { readStdin });
    expect(error).toBeUndefined();
    const post = seen.find(({ method }) => method === 'POST');
    expect(post?.body).toEqual({
      action: 'update_config',
      siteId: 'site-1',
      payload: { base: 7, [member]: { routes: [] } },
    });
    expect(JSON.parse(out)).toEqual({ generation: 8 });
  });

  it('set says so when there is no such file', async () => {
    const { error, seen } = await clawctl(['config', 'set', 'site-1', '/nowhere'], edge);
    expect(error).toEqual(new CliError('/nowhere cannot be read: no such file'));
    expect(seen).toEqual([]);
  });

  it('set refuses what is no JSON, and hands on why the edge refused', async () => {
    const text = join(folder({ 'a.txt': 'hello' }), 'a.txt');
    expect(String((await clawctl(['config', 'set', 'site-1', text], edge)).error)).toMatch(
      /a\.txt is no JSON/,
    );
    const stale = () =>
      Response.json(
        { success: false, error: 'generation 9 is newer', timestamp: '2026-01-01T00:00:00Z' },
        { status: 409 },
      );
    const refused = await clawctl(
      ['config', 'set', 'site-1'],
      { ...edge, 'POST /api/v1/orchestrator': [stale] },
      { readStdin: async () => '{}' },
    );
    expect(refused.error).toEqual(new CliError('generation 9 is newer'));
  });
});

describe('config that is refused', () => {
  it('is said to stay desired, with the way out', async () => {
    const error = { code: 'config_refused' as const, message: 'an upstream outside the list' };
    const edge = {
      'GET /api/v1/sites/site-1/config': [() => configState()],
      'POST /api/v1/orchestrator': [takenWith({ generation: 8 })],
      [`GET /api/v1/commands/${ID}`]: [() => command({ type: 'update_config', state: 'failed', error })],
    };
    const readStdin = async () => '{"routes":[]}';
    const failed = await clawctl(['config', 'set', 'site-1'], edge, { readStdin });
    expect(String(failed.error)).toMatch(
      /an upstream outside the list \(config_refused\)\. The desired config still has it \("clawctl config get site-1" shows it\).*set that member right, put the whole in with --replace, or go back with "clawctl config rollback site-1 <generation>"$/,
    );
  });
});

describe('status', () => {
  it('lists with each site which config runs, and whether a newer one was refused', async () => {
    const digest = digestOf(EMPTY_CONFIG);
    const status = {
      ...{ at: 1, version: '0.1.0', uptimeS: 1, workers: [], tunnel: { state: 'not_configured' } },
      ...{ memory: { rssBytes: 1, heapUsedBytes: 1 }, queues: { inbox: 0, outbox: 0, deadLetters: 0 } },
      sites: [
        { siteId: 'a', generation: 4, digest },
        {
          siteId: 'b',
          generation: 7,
          digest,
          lastFailure: { generation: 8, at: 1, error: 'x', failures: 3 },
        },
      ],
    };
    const { out } = await clawctl(['status'], {
      'GET /api/v1/orchestrators': [() => ({ items: [{ id: 'vps-1', lanes: 1, createdAt: 1 }], next: null })],
      'GET /api/v1/orchestrators/vps-1': [() => ({ ...orchestratorOf({ state: 'online' }), status })],
      'GET /api/v1/sites': [() => ({ items: ['a', 'b', 'c'].map(siteOf), next: null })],
    });
    const rows = out
      .split('\n')
      .slice(-4)
      .map((line) => line.split(/ {2,}/));
    expect(rows).toEqual([
      ['SITE', 'ORCHESTRATOR', 'STATE', 'CONFIG', 'NAME'],
      ['a', 'vps-1', 'active', '4', 'a'],
      ['b', 'vps-1', 'active', '7 (8 refused 3×)', 'b'],
      ['c', 'vps-1', 'active', 'c'],
    ]);
  });
});

describe('status of a site', () => {
  const report = (failed: number) => ({
    at: 10_000,
    orchestrator: {
      id: 'vps-1',
      version: '0.1.0',
      lanes: 1,
      uptimeS: 9,
      memory: { rssBytes: 1, heapUsedBytes: 1 },
      queues: { inbox: 0, outbox: 0, deadLetters: 0 },
    },
    site: {
      siteId: 'site-1',
      generation: 88,
      digest: digestOf(EMPTY_CONFIG),
      lastFailure: { generation: failed, at: 5_000, error: 'not allowed here' },
      routes: [],
      workers: [],
    },
    tunnel: { state: 'not_configured' },
  });
  const shown = async (failed: number): Promise<string> => {
    const answer = () => ({ success: true, data: report(failed), timestamp: '2026-01-01T00:00:00Z' });
    const { out, error } = await clawctl(['status', 'site-1'], {
      'POST /api/v1/orchestrator': [answer],
      'GET /api/v1/sites/site-1/config': [() => configState()],
    });
    expect(error).toBeUndefined();
    return out;
  };

  it('tells of a failure until a newer generation runs', async () => {
    expect(await shown(89)).toMatch(/generation 89 failed at 1970-01-01 00:00:05: not allowed here/);
    expect(await shown(87)).not.toMatch('failed');
  });
});

describe('commands', () => {
  it('are cancelled', async () => {
    const edge = { [`POST /api/v1/commands/${ID}/cancel`]: [() => command({ state: 'cancelled' })] };
    expect((await clawctl(['commands', 'cancel', ID], edge)).out).toBe(`${ID} is cancelled`);
    const running = { [`POST /api/v1/commands/${ID}/cancel`]: [() => command({ state: 'running' })] };
    expect((await clawctl(['commands', 'cancel', ID], running)).out).toMatch(/ is being cancelled: /);
  });

  it.each([
    [
      'a refused token',
      problem(401, 'unauthorized', 'sign in again'),
      'the edge refused the token: sign in again',
    ],
    ['what is not there', problem(404, 'not_found', 'no such command'), 'no such command'],
    ['an answer without a reason', () => new Response('<html>', { status: 502 }), 'it answered 502'],
    [
      'an answer of another program',
      () => Response.json({ hello: 1 }),
      'the edge answered in a way this clawctl does not know: upgrade one of them',
    ],
  ])('end with one sentence for %s', async (_what, answer, sentence) => {
    const { error } = await clawctl(['commands', ID], { [`GET /api/v1/commands/${ID}`]: [answer] });
    expect(error).toEqual(new CliError(sentence));
  });

  it('say so when the edge does not answer', async () => {
    const down = async () => Promise.reject(new TypeError('fetch failed'));
    expect(String((await clawctl(['commands'], {}, { fetcher: down })).error)).toMatch(
      /edge\.example does not answer/,
    );
  });
});

describe('release', () => {
  const edge = {
    'GET /api/v1/orchestrators/vps-1': [() => orchestratorOf({ state: 'away' })],
    'POST /api/v1/orchestrators/vps-1/release': [() => orchestratorOf({ state: 'never' })],
  };

  it('is done only when it was confirmed', async () => {
    const refused = await clawctl(['release', 'vps-1'], edge);
    expect(String(refused.error)).toMatch(/forgets the newest process of vps-1.*--yes/);
    expect(refused.seen).toEqual([]);
    const { out, seen } = await clawctl(['release', 'vps-1', '--yes'], edge);
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET https://edge.example/api/v1/orchestrators/vps-1',
      'POST https://edge.example/api/v1/orchestrators/vps-1/release',
    ]);
    expect(out).toBe('vps-1 is released: one with an empty database may connect');
  });

  it('is not done to one that is online', async () => {
    const online = { 'GET /api/v1/orchestrators/vps-1': [() => orchestratorOf({ state: 'online' })] };
    const { error, seen } = await clawctl(['release', 'vps-1', '--yes'], online);
    expect(String(error)).toMatch(/vps-1 is online.*stop it first/);
    expect(seen).toHaveLength(1);
  });
});

describe('token', () => {
  const key = () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const root = folder({ '.sandbox/sandbox.json': JSON.stringify(SANDBOX), '.sandbox/keys/vps-1.pem': pem });
    const KEY_FILE = join(root, '.sandbox/keys/vps-1.pem');
    chmodSync(KEY_FILE, 0o600);
    return { root, KEY_FILE };
  };
  const more = { newId: () => 'jti-12345678' };

  it('prints one that this orchestrator’s own HTTP API takes, from the environment or the sandbox', async () => {
    const { root, KEY_FILE } = key();
    for (const io of [{ env: { ORCHESTRATOR_ID: 'vps-1', KEY_FILE } }, { env: {}, cwd: root }]) {
      const { out, error } = await clawctl(['token'], {}, { ...more, ...io });
      expect(error).toBeUndefined();
      const request = { orchestratorId: 'vps-1', token: out, now: 5_000 };
      expect(verifyLocalToken(loadIdentity(KEY_FILE), request)).toMatchObject({ sub: 'vps-1' });
    }
  });

  it('names the variable that is missing', async () => {
    const { error } = await clawctl(['token'], {}, { ...more, env: { ORCHESTRATOR_ID: 'vps-1' } });
    expect(error).toBeInstanceOf(CliError);
    expect(String(error)).toMatch(/KEY_FILE is missing: set it/);
  });

  it('says in its help how long one is good, and how to use it', async () => {
    const { out } = await clawctl(['token', '--help']);
    expect(out).toMatch(/good for 5\s+minutes/);
    expect(out).toMatch(/curl -H "Authorization: Bearer \$\(clawctl token\)" \S+\/metrics/);
  });
});

describe('with --json', () => {
  it('a wrong command line is one JSON object', async () => {
    const { err } = await clawctl(['--json', 'deploy', '--nonsense']);
    expect(JSON.parse(err)).toEqual({ error: "unknown option '--nonsense'" });
  });
});

describe('a wrong command line', () => {
  it.each([
    ['deploy', ['--nonsense'], /unknown option '--nonsense'/],
    ['deploy', ['--steps', 'ten'], /'--steps .*expected up to 10 percentages that ascend/],
    ['deploy', ['--steps', '10,1'], /'--steps .*expected up to 10 percentages that ascend/],
    ['deploy', ['--bake', '86401'], /'--bake .*expected seconds, 86400 at most/],
    ['fleet', ['--check', 'health'], /'--check .*expected a path that begins with "\/"/],
    ['sites list', ['--bak', '5'], /unknown option '--bak'/],
  ])('is told in one line, and where the help is: %s %s', async (command, options, message) => {
    const { err } = await clawctl([...command.split(' '), ...options]);
    const [complaint, ...rest] = err.split('\n');
    expect(complaint).toMatch(message);
    expect(rest).toEqual([`see "clawctl ${command} --help"`]);
  });
});

describe('the launcher', () => {
  it('runs the command line, and fails with one line and without a stack', () => {
    const bin = join(import.meta.dirname, '../../bin/clawctl.mjs');
    const run = (args: string[]) =>
      spawnSync(process.execPath, [bin, ...args], {
        cwd: tmpdir(),
        env: { PATH: process.env['PATH'] },
        encoding: 'utf8',
      });
    expect(run(['--version'])).toMatchObject({ status: 0, stdout: '0.1.0\n', stderr: '' });
    const failed = run(['status']);
    expect(failed).toMatchObject({ status: 1, stdout: '' });
    expect(failed.stderr).toMatch(/^clawctl: there is no edge to talk to[^\n]*\n$/);
    const asJson: unknown = JSON.parse(run(['status', '--json']).stderr);
    expect(asJson).toEqual({ error: expect.stringMatching(/^there is no edge/) });
    // Three processes that start from nothing, on a machine that may be busy.
  }, 20_000);
});
