import { type DeployWorker, Failure, type Sql } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CommandContext } from '../commands/handler.ts';
import { createLogger } from '../log.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import type { NewEvent } from '../sync/index.ts';
import { dropped, fakeCloudflare, refusal } from './cloudflare.fixture.ts';
import { createDeployer, type DeployerOptions } from './deployer.ts';

const COMMAND = 'cmd_vps-1_0000000000000000000001';
const MODULES: Record<string, string> = {
  'src/index.js': 'export default {}',
  'lib/data.json': '{"a":1}',
  'note.txt': 'hi',
};
const digestIn: Record<string, string> = { 'src/index.js': 'a', 'lib/data.json': 'b', 'note.txt': 'c' };

const body = (more: Partial<DeployWorker> = {}): DeployWorker => ({
  type: 'deploy_worker',
  commandId: COMMAND,
  siteId: 'site-1',
  name: 'tracker',
  mainModule: 'src/index.js',
  compatibilityDate: '2026-01-01',
  vars: { COLOUR: 'blue' },
  modules: Object.keys(MODULES).map((path) => ({ path, sha256: digestIn[path] ?? '', bytes: 1 })),
  ...more,
});

let sql: Sql;
let cloudflare: ReturnType<typeof fakeCloudflare>;
let waits: number[];
let milestones: string[];
let stop: AbortController;
let events: NewEvent[];
let record: (event: NewEvent) => void;

// The SDK takes a while to load on a busy machine: not on the first test's time.
beforeAll(() => import('./api.ts'), 20_000);

beforeEach(() => {
  sql = createSql(new Sqlite(':memory:'));
  for (const migrate of MIGRATIONS) migrate(sql);
  cloudflare = fakeCloudflare();
  waits = [];
  milestones = [];
  stop = new AbortController();
  events = [];
  record = (event) => void events.push(event);
});

const context = (more: Partial<CommandContext> = {}): CommandContext => ({
  commandId: COMMAND,
  siteId: 'site-1',
  resumed: false,
  signal: stop.signal,
  log: createLogger({ level: 'error', production: true }),
  progress: (milestone) => void milestones.push(milestone),
  blob: async ({ sha256 }) => {
    const path = Object.keys(digestIn).find((key) => digestIn[key] === sha256) ?? '';
    return new TextEncoder().encode(MODULES[path]);
  },
  ...more,
});

const deployer = (more: Partial<DeployerOptions> = {}) =>
  createDeployer({
    sql,
    cloudflare: { apiToken: 'token', accountId: 'acc' },
    now: () => 5_000,
    siteVars: () => ({}),
    events: { record: (event) => record(event) },
    random: () => 1,
    wait: async (ms, signal) => {
      signal.throwIfAborted();
      waits.push(ms);
    },
    fetcher: cloudflare.fetcher,
    ...more,
  });
const only = (name: string) => cloudflare.scripts.get(name) ?? expect.fail(`no script ${name}`);

describe('deploying a Worker', () => {
  it('puts a new one up with its modules under their paths, and says where it answers', async () => {
    const result = await deployer().deploy(body(), context());
    const { versions, deployments } = only('tracker');
    expect(result).toEqual({
      versionId: versions[0]?.id,
      deploymentId: deployments[0]?.id,
      url: 'https://tracker.agency.workers.dev',
      proof: 'reachable',
    });
    expect(versions[0]?.metadata).toMatchObject({
      main_module: 'src/index.js',
      bindings: [
        { type: 'plain_text', name: 'COLOUR', text: 'blue' },
        { type: 'version_metadata', name: 'CF_VERSION_METADATA' },
      ],
      annotations: { 'workers/tag': COMMAND },
    });
    expect(versions[0]?.modules).toEqual({
      'src/index.js': { type: 'application/javascript+module', text: 'export default {}' },
      'lib/data.json': {
        type: 'application/javascript+module',
        text: 'export default JSON.parse("{\\"a\\":1}");',
      },
      'note.txt': { type: 'text/plain', text: 'hi' },
    });
    expect(milestones).toEqual(['validated', 'uploaded', 'deployed', 'checked']);
    expect(deployer().workers('site-1')).toEqual([
      {
        name: 'tracker',
        siteId: 'site-1',
        url: result.url,
        versionId: result.versionId,
        proof: 'reachable',
        state: 'deployed',
        at: 5_000,
      },
    ]);
  });

  it('adds a version to one that is there, then gives it all traffic', async () => {
    await deployer().deploy(body({ commandId: 'cmd_vps-1_0000000000000000000000' }), context());
    cloudflare.calls.length = 0;
    const result = await deployer().deploy(body(), context());
    expect(cloudflare.calls).toEqual([
      'GET versions',
      'POST versions',
      'GET deployments',
      'POST deployments',
      'POST subdomain',
      'GET subdomain',
    ]);
    expect(only('tracker').deployments[0]).toMatchObject({
      id: result.deploymentId,
      versions: [{ version_id: result.versionId, percentage: 100 }],
    });
  });

  it('calls it observed only when the version that serves says so', async () => {
    cloudflare.serveBy(
      (script) => new Response('', { headers: { 'Worker-Version': script.versions[0]?.id ?? '' } }),
    );
    expect(await deployer().deploy(body(), context())).toMatchObject({ proof: 'observed' });
    cloudflare.serveBy(() => new Response('', { headers: { 'Worker-Version': 'another' } }));
    expect(await deployer().deploy(body({ name: 'b', commandId: `${COMMAND}b` }), context())).toMatchObject({
      proof: 'reachable',
    });
    expect(waits.length).toBeGreaterThan(3);
    cloudflare.serveBy(() => new Response('', { status: 500 }));
    expect(await deployer().deploy(body({ name: 'c', commandId: `${COMMAND}c` }), context())).toMatchObject({
      proof: 'accepted',
    });
  });
});

describe('the variables of a Worker', () => {
  const siteVars = (siteId: string) => (siteId === 'site-1' ? { COLOUR: 'red', SHOP: 'one' } : {});

  it('are those of its site’s config, and over them the command’s own', async () => {
    await deployer({ siteVars }).deploy(body(), context());
    expect(only('tracker').versions[0]?.metadata).toMatchObject({
      bindings: [
        { type: 'plain_text', name: 'COLOUR', text: 'blue' },
        { type: 'plain_text', name: 'SHOP', text: 'one' },
        { type: 'version_metadata' },
      ],
    });
  });

  it('may not take our own variable’s name in the site’s config either', async () => {
    const failing = deployer({ siteVars: () => ({ CF_VERSION_METADATA: 'x' }) }).deploy(body(), context());
    await expect(failing).rejects.toThrow(/CF_VERSION_METADATA/);
    expect(cloudflare.calls).toEqual([]);
  });
});

describe('trouble on the way', () => {
  it.each(['PUT script', 'GET versions', 'GET deployments', 'POST subdomain'])(
    'goes on after a 503 of %s',
    async (on) => {
      cloudflare.fail({ on, when: 'before', answer: () => refusal(503, 10_013, 'try later') });
      await deployer().deploy(body(), context());
      expect(only('tracker').versions).toHaveLength(1);
    },
  );

  it.each(['PUT script', 'POST versions', 'POST deployments'])(
    'makes one version and one deployment although the answer of %s was lost',
    async (on) => {
      if (on !== 'PUT script')
        await deployer().deploy(body({ commandId: 'cmd_vps-1_0000000000000000000000' }), context());
      const before = cloudflare.scripts.get('tracker')?.versions.length ?? 0;
      cloudflare.fail({ on, when: 'after', answer: dropped });
      const result = await deployer().deploy(body(), context());
      expect(only('tracker').versions).toHaveLength(before + 1);
      expect(only('tracker').deployments).toHaveLength(before + 1);
      expect(result.versionId).toBe(only('tracker').versions[0]?.id);
    },
  );

  it('waits as long as a 429 says', async () => {
    const answer = () => refusal(429, 971, 'slow down', { 'retry-after': '42' });
    cloudflare.fail({ on: 'PUT script', when: 'before', answer });
    await deployer().deploy(body(), context());
    expect(waits).toContain(42_000);
  });

  it('gives up, and says when to come back, when told to wait for longer than a pause', async () => {
    const answer = () => refusal(429, 971, 'slow down', { 'retry-after': '3600' });
    cloudflare.fail({ on: 'PUT script', when: 'before', answer });
    await expect(deployer().deploy(body(), context())).rejects.toMatchObject({
      code: 'cloudflare_unavailable',
      details: { retryAfterMs: 3_600_000 },
    });
  });

  it('gives up after five attempts', async () => {
    for (let n = 0; n < 5; n++) cloudflare.fail({ on: 'GET versions', when: 'before', answer: dropped });
    await expect(deployer().deploy(body(), context())).rejects.toMatchObject({
      code: 'cloudflare_unavailable',
    });
    expect(cloudflare.calls).toHaveLength(5);
  });

  it('hands on what Cloudflare said when it refuses, once, and marks the Worker failed', async () => {
    const answer = () => refusal(400, 10_021, 'Uncaught SyntaxError:\n  Unexpected token');
    cloudflare.fail({ on: 'PUT script', when: 'before', answer });
    await expect(deployer().deploy(body(), context())).rejects.toMatchObject({
      code: 'cloudflare_refused',
      message: 'Cloudflare answered 400: Uncaught SyntaxError: Unexpected token (code 10021)',
    });
    expect(cloudflare.calls).toEqual(['GET versions', 'PUT script']);
    expect(deployer().workers()).toMatchObject([{ name: 'tracker', state: 'failed' }]);
  });

  it('leaves a Worker that runs deployed, with the version and url that run', async () => {
    const first = await deployer().deploy(body({ commandId: `${COMMAND}a` }), context());
    cloudflare.fail({ on: 'POST versions', when: 'before', answer: () => refusal(400, 10_021, 'no') });
    await expect(deployer().deploy(body(), context())).rejects.toThrow();
    const { versionId, url } = first;
    expect(deployer().workers()).toMatchObject([{ state: 'deployed', versionId, url, proof: 'reachable' }]);
  });

  it('that comes after the new version took over leaves that one as what runs', async () => {
    const first = await deployer().deploy(body({ commandId: `${COMMAND}a` }), context());
    cloudflare.serveBy(() => {
      stop.abort(new Failure('conflict', 'cancelled by an operator'));
      throw new TypeError('fetch failed');
    });
    await expect(deployer().deploy(body(), context())).rejects.toThrow('cancelled by an operator');
    const serving = only('tracker').deployments[0]?.versions[0]?.version_id;
    expect(serving).not.toBe(first.versionId);
    expect(deployer().workers()).toMatchObject([{ state: 'deployed', versionId: serving }]);
  });

  it('says what to check when the token is refused', async () => {
    const answer = () => refusal(403, 10_000, 'Authentication error');
    cloudflare.fail({ on: 'GET versions', when: 'before', answer });
    await expect(deployer().deploy(body(), context())).rejects.toThrow(/10000.*CLOUDFLARE_API_TOKEN/);
  });
});

describe('a deployment that was cut off', () => {
  /** Runs until `call` has taken effect, then the process is gone: nothing after it is carried out. */
  async function cutOff(call: string): Promise<void> {
    cloudflare.fail({
      on: call,
      when: 'after',
      answer: () => {
        stop.abort(new Error('the process stops'));
        return dropped();
      },
    });
    await expect(deployer().deploy(body(), context())).rejects.toThrow();
    stop = new AbortController();
  }

  it.each(['PUT script', 'GET deployments', 'POST subdomain'])(
    'after %s goes on from there, with one version and one deployment',
    async (call) => {
      await cutOff(call);
      expect(deployer().workers()).toMatchObject([{ state: 'deploying' }]);
      const result = await deployer().deploy(body(), context({ resumed: true }));
      expect(only('tracker').versions).toHaveLength(1);
      expect(only('tracker').deployments).toHaveLength(1);
      expect(result.versionId).toBe(only('tracker').versions[0]?.id);
      expect(milestones).toEqual(['validated', 'uploaded', 'deployed', 'checked']);
    },
  );

  it('needs no module again once the version is up', async () => {
    await cutOff('PUT script');
    const blob = () => Promise.reject(new Error('asked for a blob'));
    await deployer().deploy(body(), context({ resumed: true, blob }));
  });

  it('is marked failed when it was cancelled, not when the process stopped', async () => {
    stop.abort(new Failure('conflict', 'cancelled by an operator'));
    await expect(deployer().deploy(body(), context())).rejects.toThrow('cancelled by an operator');
    expect(deployer().workers()).toMatchObject([{ state: 'failed' }]);
    expect(cloudflare.calls).toEqual([]);
  });
});

describe('what others are told of a deployment', () => {
  it('is its end, once, although the process was killed behind the end and does it again', async () => {
    const result = await deployer().deploy(body(), context());
    await deployer().deploy(body(), context({ resumed: true }));
    expect(events).toEqual([
      {
        type: 'worker_deployment',
        siteId: 'site-1',
        data: { status: 'deployed', name: 'tracker', commandId: COMMAND, ...result },
      },
    ]);
  });

  it('is why it failed, with the version that was uploaded', async () => {
    cloudflare.fail({ on: 'POST deployments', when: 'before', answer: () => refusal(400, 10_021, 'no') });
    await deployer().deploy(body({ commandId: `${COMMAND}a` }), context());
    events = [];
    await deployer()
      .deploy(body(), context())
      .catch(() => undefined);
    const [version] = only('tracker').versions;
    const error = 'Cloudflare answered 400: no (code 10021)';
    expect(events).toMatchObject([
      { data: { status: 'failed', name: 'tracker', commandId: COMMAND, versionId: version?.id, error } },
    ]);
  });

  it('is told in one transaction with the fact: without the one there is not the other', async () => {
    record = () => {
      throw new Error('the disk is full');
    };
    await expect(deployer().deploy(body(), context())).rejects.toThrow('the disk is full');
    expect(sql.run('SELECT state FROM deployments')).toEqual([{ state: 'deployed' }]);
  });
});

describe('what cannot be deployed is refused before anything is sent', () => {
  it.each([
    ['a secret', { secrets: { KEY: 'shop-key' } }, 'not_configured', /no secret called "shop-key"/],
    ['routes', { routes: ['a.example/*'] }, 'bad_request', /routes are not deployed/],
    [
      'a gradual strategy',
      {
        strategy: {
          type: 'gradual',
          steps: [1, 100],
          bakeMs: 1,
          healthCheck: { path: '/', status: 200, maxErrorRate: 0 },
        },
      },
      'bad_request',
      /all at once/,
    ],
    ['our own variable', { vars: { CF_VERSION_METADATA: 'x' } }, 'bad_request', /CF_VERSION_METADATA/],
  ] as const)('%s', async (_what, more, code, message) => {
    const failing = deployer().deploy(body(more as Partial<DeployWorker>), context());
    await expect(failing).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(cloudflare.calls).toEqual([]);
  });

  it('anything, without a token', async () => {
    const failing = deployer({ cloudflare: undefined }).deploy(body(), context());
    await expect(failing).rejects.toMatchObject({
      code: 'not_configured',
      message: expect.stringMatching(/CLOUDFLARE_API_TOKEN/),
    });
  });
});
