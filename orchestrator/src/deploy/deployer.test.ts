import { Failure } from '@clawdbot/protocol';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Bench, body, COMMAND, commandOf, FIRST, refsOf } from './bench.fixture.ts';
import { dropped, refusal, saying } from './cloudflare.fixture.ts';

let bench: Bench;

// The SDK takes a while to load on a busy machine: not on the first test's time.
beforeAll(() => import('./api.ts'), 20_000);

beforeEach(() => {
  bench = new Bench();
});

describe('deploying a Worker', () => {
  it('puts a new one up with its modules under their paths, and says where it answers', async () => {
    const result = await bench.deploy();
    const { versions, deployments } = bench.script();
    const url = 'https://tracker.agency.workers.dev';
    expect(result).toEqual({
      versionId: versions[0]?.id,
      deploymentId: deployments[0]?.id,
      url,
      proof: 'reachable',
      receipts: {
        intended: { at: 5_000 },
        accepted: { at: 5_000, versionId: versions[0]?.id, deploymentId: deployments[0]?.id },
        reachable: { at: 5_000 },
      },
    });
    expect(versions[0]?.metadata).toMatchObject({
      main_module: 'src/index.js',
      bindings: [
        { type: 'plain_text', name: 'COLOUR', text: 'blue' },
        { type: 'version_metadata', name: 'CF_VERSION_METADATA' },
      ],
      annotations: { 'workers/tag': COMMAND, 'workers/message': `clawdbot site-1 ${COMMAND}` },
    });
    expect(versions[0]?.modules).toEqual({
      'src/index.js': { type: 'application/javascript+module', text: 'export default {}' },
      'lib/data.json': {
        type: 'application/javascript+module',
        text: 'export default JSON.parse("{\\"a\\":1}");',
      },
      'note.txt': { type: 'text/plain', text: 'hi' },
    });
    expect(bench.milestones).toEqual(['validated', 'uploaded', 'deployed', 'checked']);
    const { versionId } = result;
    expect(bench.deployer().workers('site-1')).toEqual([
      { name: 'tracker', siteId: 'site-1', url, versionId, proof: 'reachable', state: 'deployed', at: 5_000 },
    ]);
  });

  it('costs four calls the first time, and three from then on', async () => {
    const deployer = bench.deployer();
    const one = (n: number) =>
      deployer.deploy(body({ commandId: commandOf(n) }), bench.context({ commandId: commandOf(n) }));
    const calls = () => bench.cloudflare.calls.splice(0).filter((call) => call !== 'probe');
    await one(1);
    expect(calls()).toEqual([
      'GET deployments',
      'PUT script',
      'GET deployments',
      'POST subdomain',
      // Once in a process, where the API does not say itself where a Worker answers.
      'GET subdomain',
    ]);
    await one(2);
    expect(calls()).toEqual(['GET deployments', 'POST versions', 'POST deployments']);
  });

  it('calls it observed only when the version that serves says so', async () => {
    bench.cloudflare.serveBy(saying);
    const { proof, receipts } = await bench.deploy();
    expect([proof, receipts.observed, receipts.reachable]).toEqual(['observed', { at: 5_000 }, undefined]);
    bench.cloudflare.serveBy(() => new Response('', { headers: { 'Worker-Version': 'another' } }));
    expect(await bench.deploy({ name: 'b', commandId: commandOf(2) })).toMatchObject({ proof: 'reachable' });
    expect(bench.waits.length).toBeGreaterThan(3);
    bench.cloudflare.serveBy(() => new Response('', { status: 500 }));
    const unseen = await bench.deploy({ name: 'c', commandId: commandOf(3) });
    expect(unseen).toMatchObject({ proof: 'accepted' });
    expect(Object.keys(unseen.receipts)).toEqual(['intended', 'accepted']);
  });
});

describe('what a Worker is given', () => {
  it('is the variables of its site’s config, and over them the command’s own', async () => {
    const siteVars = (siteId: string) => (siteId === 'site-1' ? { COLOUR: 'red', SHOP: 'one' } : {});
    await bench.deployer({ siteVars }).deploy(body(), bench.context());
    expect(bench.script().versions[0]?.metadata.bindings).toEqual([
      { type: 'plain_text', name: 'COLOUR', text: 'blue' },
      { type: 'plain_text', name: 'SHOP', text: 'one' },
      { type: 'version_metadata', name: 'CF_VERSION_METADATA' },
    ]);
  });

  it('is secrets by reference, bindings and flags; no secret is written down or told', async () => {
    await bench.deploy({
      vars: {},
      secrets: { KEY: 'shop-key' },
      bindings: [{ type: 'kv_namespace', name: 'CACHE', namespace_id: 'abc' }],
      compatibilityFlags: ['nodejs_compat'],
    });
    expect(bench.script().versions[0]?.metadata).toMatchObject({
      compatibility_flags: ['nodejs_compat'],
      bindings: [
        { type: 'secret_text', name: 'KEY', text: 'hidden' },
        { type: 'kv_namespace', name: 'CACHE', namespace_id: 'abc' },
        { type: 'version_metadata' },
      ],
    });
    const written = bench.sql.run('SELECT * FROM deployments').concat(bench.sql.run('SELECT * FROM workers'));
    expect(JSON.stringify([written, bench.events, bench.milestones])).not.toContain('hidden');
  });

  it('says what the Worker’s health is looked at by, as its rollout’s check else does, until the next one', async () => {
    const lookedAt = () => bench.deployer().workers()[0]?.lookedAt;
    await bench.deploy({ health: { path: '/up', status: 204 } });
    expect(lookedAt()).toEqual({ path: '/up', status: 204 });
    const healthCheck = { path: '/check', status: 200, maxErrorRate: 1 };
    const strategy = { type: 'gradual' as const, steps: [100], bakeMs: 0, healthCheck };
    await bench.deploy({ commandId: commandOf(2), strategy });
    expect(lookedAt()).toEqual({ path: '/check', status: 200 });
    await bench.deploy({ commandId: commandOf(3) });
    expect(lookedAt()).toBeUndefined();
  });

  it('is routes and custom domains, set once for as long as they stay the same', async () => {
    const addresses = { routes: ['a.example/*'], customDomains: ['shop.a.example'] };
    await bench.deploy({ commandId: FIRST, ...addresses });
    expect(bench.script().routes).toEqual(['a.example/*']);
    expect(bench.cloudflare.domains).toMatchObject([{ hostname: 'shop.a.example', service: 'tracker' }]);
    bench.cloudflare.calls.length = 0;
    await bench.deploy(addresses);
    expect(bench.cloudflare.calls).not.toContain('PUT routes');
    expect(bench.cloudflare.calls).not.toContain('PUT domains');
    await bench.deploy({ commandId: commandOf(3), routes: [] });
    expect(bench.script().routes).toEqual([]);
  });
});

describe('trouble on the way', () => {
  it.each(['PUT script', 'GET deployments', 'POST subdomain'])('goes on after a 503 of %s', async (on) => {
    bench.cloudflare.fail({ on, when: 'before', answer: () => refusal(503, 10_013, 'try later') });
    await bench.deploy();
    expect(bench.script().versions).toHaveLength(1);
  });

  it.each(['PUT script', 'POST versions', 'POST deployments'])(
    'makes one version and one deployment although the answer of %s was lost',
    async (on) => {
      if (on !== 'PUT script') await bench.deploy({ commandId: FIRST });
      const before = bench.cloudflare.scripts.get('tracker')?.versions.length ?? 0;
      bench.cloudflare.fail({ on, when: 'after', answer: dropped });
      const result = await bench.deploy();
      expect(bench.script().versions).toHaveLength(before + 1);
      expect(bench.script().deployments).toHaveLength(before + 1);
      expect(result.versionId).toBe(bench.script().versions[0]?.id);
    },
  );

  it('waits as long as a 429 says', async () => {
    const answer = () => refusal(429, 971, 'slow down', { 'retry-after': '42' });
    bench.cloudflare.fail({ on: 'PUT script', when: 'before', answer });
    await bench.deploy();
    expect(bench.waits).toContain(42_000);
  });

  it('gives up, and says when to come back, when told to wait for longer than a pause', async () => {
    const answer = () => refusal(429, 971, 'slow down', { 'retry-after': '3600' });
    bench.cloudflare.fail({ on: 'GET deployments', when: 'before', answer });
    await expect(bench.deploy()).rejects.toMatchObject({ code: 'cloudflare_unavailable' });
  });

  it('gives up after five attempts', async () => {
    for (let n = 0; n < 5; n++)
      bench.cloudflare.fail({ on: 'GET deployments', when: 'before', answer: dropped });
    await expect(bench.deploy()).rejects.toMatchObject({ code: 'cloudflare_unavailable' });
    expect(bench.cloudflare.calls).toHaveLength(5);
  });

  it('hands on what Cloudflare said when it refuses, once, and marks the Worker failed', async () => {
    const answer = () => refusal(400, 10_021, 'Uncaught SyntaxError:\n  Unexpected token');
    bench.cloudflare.fail({ on: 'PUT script', when: 'before', answer });
    await expect(bench.deploy()).rejects.toMatchObject({
      code: 'cloudflare_refused',
      message: 'Cloudflare answered 400: Uncaught SyntaxError: Unexpected token (code 10021)',
    });
    expect(bench.cloudflare.calls).toEqual(['GET deployments', 'PUT script']);
    expect(bench.deployer().workers()).toMatchObject([{ name: 'tracker', state: 'failed' }]);
  });

  it('leaves a Worker that runs deployed, with the version and url that run', async () => {
    const { versionId, url } = await bench.deploy({ commandId: FIRST });
    const answer = () => refusal(400, 10_021, 'no');
    bench.cloudflare.fail({ on: 'POST versions', when: 'before', answer });
    await expect(bench.deploy()).rejects.toThrow();
    expect(bench.deployer().workers()).toMatchObject([
      { state: 'deployed', versionId, url, proof: 'reachable' },
    ]);
  });

  it('says what to check when the token is refused', async () => {
    const answer = () => refusal(403, 10_000, 'Authentication error');
    bench.cloudflare.fail({ on: 'GET deployments', when: 'before', answer });
    await expect(bench.deploy()).rejects.toThrow(/10000.*CLOUDFLARE_API_TOKEN/);
  });
});

describe('what others are told of a deployment', () => {
  it('is its end, once, although the process was killed behind the end and does it again', async () => {
    const result = await bench.deploy();
    await expect(bench.deploy({}, { resumed: true })).resolves.toEqual(result);
    expect(bench.events).toEqual([
      {
        type: 'worker_deployment',
        siteId: 'site-1',
        data: { status: 'deployed', name: 'tracker', commandId: COMMAND, percentage: 100, ...result },
      },
    ]);
  });

  it('is why it failed, with the version that was uploaded and the receipts', async () => {
    await bench.deploy({ commandId: FIRST });
    bench.events.length = 0;
    const answer = () => refusal(400, 10_021, 'no');
    bench.cloudflare.fail({ on: 'POST deployments', when: 'before', answer });
    const failing = bench.deploy();
    await expect(failing).rejects.toThrow('Cloudflare answered 400: no (code 10021); nothing of it is left');
    expect(bench.events).toMatchObject([
      {
        data: {
          status: 'failed',
          name: 'tracker',
          commandId: COMMAND,
          versionId: expect.any(String),
          receipts: { intended: { at: 5_000 } },
        },
      },
    ]);
  });

  it('is told in one transaction with the fact: without the one there is not the other', async () => {
    bench.record = () => {
      throw Object.assign(new Error('the disk is full'), { code: 'SQLITE_FULL' });
    };
    await expect(bench.deploy()).rejects.toThrow('the disk is full');
    expect(bench.sql.run('SELECT state FROM deployments')).toEqual([{ state: 'proving' }]);
    bench.record = (event) => void bench.events.push(event);
    await expect(bench.deploy({}, { resumed: true })).resolves.toMatchObject({ proof: 'reachable' });
    expect(bench.script().versions).toHaveLength(1);
  });
});

describe('what cannot be deployed is refused before anything is sent', () => {
  const code = (text: string) => {
    bench.modules['src/index.js'] = text;
  };

  it('our own variable’s name, in the site’s config too', async () => {
    const siteVars = () => ({ CF_VERSION_METADATA: 'x' });
    const failing = bench.deployer({ siteVars }).deploy(body(), bench.context());
    await expect(failing).rejects.toThrow(/CF_VERSION_METADATA/);
    expect(bench.cloudflare.calls).toEqual([]);
  });

  it.each([
    ['code that does not parse', 'export default {\n  fetch( {', /src\/index\.js:2:\d+ does not parse/],
    ['a JSON module that is none', undefined, /lib\/data\.json is not JSON/],
  ])('%s', async (_what, source, message) => {
    if (source === undefined) bench.modules['lib/data.json'] = '{';
    else code(source);
    await expect(bench.deploy()).rejects.toMatchObject({
      code: 'bad_request',
      message: expect.stringMatching(message),
    });
    expect(bench.cloudflare.calls.filter((call) => !call.startsWith('GET'))).toEqual([]);
  });

  it.each([
    ['no Worker', {}, []],
    ['a Worker as it was', { commandId: FIRST }, [{ name: 'tracker', siteId: 'site-1', state: 'deployed' }]],
  ])('and leaves %s behind: the command’s failure is its trace', async (_what, first, left) => {
    if ('commandId' in first) await bench.deploy(first);
    const before = bench.deployer().workers();
    bench.now += 1_000;
    code('export default {');
    await expect(bench.deploy()).rejects.toMatchObject({ code: 'bad_request' });
    expect(bench.deployer().workers()).toEqual(before);
    expect(before).toMatchObject(left);
    expect(bench.sql.run('SELECT state FROM deployments WHERE command_id = ?', COMMAND)).toEqual([
      { state: 'failed' },
    ]);
  });

  it('a main module that is none of the modules', async () => {
    const failing = bench.deploy({ modules: refsOf(['note.txt']) });
    await expect(failing).rejects.toThrow(/main module src\/index\.js/);
  });

  it('a host name that is another Worker’s', async () => {
    bench.cloudflare.domains.push({ id: '7', hostname: 'shop.a.example', service: 'theirs' });
    const failing = bench.deploy({ customDomains: ['shop.a.example'] });
    await expect(failing).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/shop\.a\.example is the Worker theirs's/),
    });
    expect(bench.cloudflare.scripts.size).toBe(0);
  });

  it('a secret that is not set', async () => {
    const missing = new Failure('secret_missing', 'clawctl secrets set site-1 shop-key');
    const secret = () => Promise.reject(missing);
    await expect(bench.deploy({ secrets: { KEY: 'shop-key' } }, { secret })).rejects.toMatchObject({
      code: 'secret_missing',
    });
    expect(bench.cloudflare.scripts.size).toBe(0);
  });

  it('anything, without a token', async () => {
    const failing = bench.deployer({ cloudflare: undefined }).deploy(body(), bench.context());
    await expect(failing).rejects.toMatchObject({
      code: 'not_configured',
      message: expect.stringMatching(/CLOUDFLARE_API_TOKEN/),
    });
  });
});

describe('in a dispatch namespace', () => {
  const dispatchNamespace = 'customers';

  it('a Worker is put there at once, accepted and no more, under a name of its own', async () => {
    await bench.deploy({ commandId: FIRST });
    const result = await bench.deploy({ dispatchNamespace });
    expect(result).toMatchObject({ url: '', proof: 'accepted', receipts: { accepted: {} } });
    expect(bench.cloudflare.namespaces.get('customers/tracker')?.metadata.tags).toEqual(['clawdbot-site-1']);
    expect(bench.script().versions).toHaveLength(1);
    expect(
      bench
        .deployer()
        .workers()
        .map(({ name }) => name),
    ).toEqual(['customers/tracker', 'tracker']);
  });

  it('another site’s Worker is not overwritten', async () => {
    await bench.deploy({ dispatchNamespace });
    bench.sql.run('DELETE FROM workers');
    const failing = bench.deploy({ dispatchNamespace, siteId: 'site-2', commandId: commandOf(2) });
    await expect(failing).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('a Worker’s name', () => {
  it('is the site’s that deployed it first, until that site is deleted', async () => {
    await bench.deploy({ commandId: FIRST });
    const other = { siteId: 'site-2' };
    await expect(bench.deploy(other)).rejects.toMatchObject({ code: 'conflict' });
    expect(bench.script().versions).toHaveLength(1);
    bench.deployer().release('site-1', false);
    await bench.deploy({ ...other, commandId: commandOf(3) });
    expect(bench.script().versions).toHaveLength(2);
  });

  it('stays a site’s that was moved to another orchestrator, which looks after it', async () => {
    await bench.deploy({ commandId: FIRST });
    bench.deployer().release('site-1', true);
    expect(bench.deployer().workers()).toEqual([]);
    await expect(bench.deploy({ siteId: 'site-2' })).rejects.toThrow(/another site/);
    expect(bench.deployer().workers()).toEqual([]);
  });

  it('is another site’s also where another orchestrator has deployed it, and its own site’s anywhere', async () => {
    await bench.deploy({ commandId: FIRST });
    bench.sql.run('DELETE FROM workers');
    await expect(bench.deploy({ siteId: 'site-2' })).rejects.toThrow(/another site/);
    expect(bench.deployer().workers()).toEqual([]);
    await bench.deploy({ commandId: commandOf(3) });
    expect(bench.script().versions).toHaveLength(2);
  });

  it('is whose version came first, when two make the Worker at the same moment', async () => {
    const theirs = new Bench();
    let winner = '';
    const fetcher: typeof fetch = async (input, init) => {
      if (init?.method === 'PUT' && winner === '') {
        const given = body({ siteId: 'site-2', commandId: FIRST });
        const their = theirs.deployer({ fetcher: bench.cloudflare.fetcher });
        winner = (await their.deploy(given, theirs.context())).versionId;
      }
      return bench.cloudflare.fetcher(input, init);
    };
    const late = bench.deployer({ fetcher }).deploy(body(), bench.context());
    await expect(late).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/at the same moment.*nothing of it is left/),
    });
    expect(bench.serving()).toBe(`${winner} 100`);
    expect(bench.versionsOf(COMMAND)).toEqual([]);
    expect(bench.deployer().workers()).toMatchObject([{ name: 'tracker', state: 'failed' }]);
  });

  it('is left to whoever has made the Worker outside, unless it is adopted', async () => {
    await bench.deploy({ commandId: FIRST });
    bench.sql.run('DELETE FROM workers');
    for (const { metadata } of bench.script().versions) metadata.annotations['workers/message'] = 'by hand';
    await expect(bench.deploy()).rejects.toThrow(/made outside of this system/);
    await bench.deploy({ commandId: commandOf(3), adopt: true });
    expect(bench.script().versions).toHaveLength(2);
  });
});
