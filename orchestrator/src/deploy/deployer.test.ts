import { describe, expect, it } from 'vitest';
import { bench, body, COMMAND, commandOf, FIRST, ownBench } from './bench.fixture.ts';
import { refusal, saying } from './cloudflare.fixture.ts';

ownBench();

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
