/** What the orchestrator binds its Workers to, and where it puts them, against the stand-in that really runs both. */
import type { DeployWorker } from '@clawdbot/protocol';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { eventually } from '../eventually.ts';
import { answering, apiOf, deployed, textAt, uploadForm } from '../sandbox/cloudflare/fixture.ts';
import { deployment, orchestrator, refOf } from './orchestrator.fixture.ts';

type Binding = NonNullable<DeployWorker['bindings']>[number];

const worker = (number: number, expression: string, more: Partial<DeployWorker> = {}): DeployWorker => {
  const { content } = answering(expression);
  return deployment(number, {
    mainModule: 'index.js',
    modules: [refOf('index.js', String(content))],
    ...more,
  });
};

/** Made by somebody else: a class of Durable Objects, and the consumer of a queue, which tells it. */
const THEIRS = `import { DurableObject } from 'cloudflare:workers';
  export class Counter extends DurableObject {
    add(n) { const all = (this.ctx.storage.kv.get('all') ?? 0) + n; this.ctx.storage.kv.put('all', all); return all; }
  }
  export default {
    fetch: () => new Response('theirs'),
    queue: async (batch, env) => void (await env.COUNTER.getByName('queued').add(batch.messages.length)),
  };`;
const COUNTER = { type: 'durable_object_namespace' as const, name: 'COUNTER', class_name: 'Counter' };

async function withTheirs() {
  const own = await orchestrator();
  const queues = apiOf(own.url, 'queues');
  const { queue_id } = z
    .object({ queue_id: z.string() })
    .parse((await queues('POST', '', { queue_name: 'jobs' })).result);
  const metadata = { migrations: { new_tag: 'v1', new_sqlite_classes: ['Counter'] }, bindings: [COUNTER] };
  await deployed(own.url, 'theirs', uploadForm([{ name: 'index.js', content: THEIRS }], metadata));
  await queues('POST', `/${queue_id}/consumers`, { type: 'worker', script_name: 'theirs' });
  return own;
}

it('a Worker is given another one, its objects and a queue', async () => {
  const { deploy } = await withTheirs();
  const bindings: Binding[] = [
    { type: 'service', name: 'OTHER', service: 'theirs' },
    { ...COUNTER, script_name: 'theirs' },
    { type: 'queue', name: 'JOBS', queue_name: 'jobs' },
  ];
  // What the engine asks at `/` is to change nothing.
  const expression = `new URL(request.url).pathname === '/' ? 'ready' : request.url.endsWith('queued') ? String(await env.COUNTER.getByName('queued').add(0))
    : (await (await env.OTHER.fetch(request)).text()) + (await env.COUNTER.getByName('a').add(2)) + (await env.JOBS.send('x') ?? '')`;
  const { url } = await deploy(worker(1, expression, { bindings }));
  expect(await textAt(`${url}/use`)).toBe('theirs2');
  await eventually(
    'the consumer had it',
    () => textAt(`${url}/queued`),
    (count) => count === '1',
  );
});

it('no rollback goes back behind a migration of the classes', async () => {
  const { deployer, url, as } = await withTheirs();
  const steps = [{ renamed_classes: [{ from: 'Counter', to: 'Tally' }] }];
  const metadata = {
    migrations: { old_tag: 'v1', new_tag: 'v2', steps },
    bindings: [{ ...COUNTER, class_name: 'Tally' }],
  };
  const content = THEIRS.replace('class Counter', 'class Tally');
  await deployed(url, 'theirs', uploadForm([{ name: 'index.js', content }], metadata));
  const named = { siteId: 'site-1', name: 'theirs' };
  const adopted = 'cmd_vps-1_00000000000000000001';
  await deployer.adopt({ type: 'adopt_worker', commandId: adopted, ...named }, as(adopted));
  const command = 'cmd_vps-1_00000000000000000002';
  const back = deployer.rollback({ type: 'rollback_worker', commandId: command, ...named }, as(command));
  await expect(back).rejects.toThrow(/a migration of Durable Objects \(v1 → v2\)/);
});

it('a binding to nothing is refused by name, and what serves goes on as it was', async () => {
  const { deploy, url: baseUrl } = await withTheirs();
  const { url, versionId } = await deploy(worker(1, '"as it was"'));
  const objects = { type: 'durable_object_namespace' as const, name: 'B' };
  const cases: [Binding, RegExp][] = [
    [{ type: 'service', name: 'B', service: 'none' }, /Worker 'none' which was not found/],
    [{ type: 'queue', name: 'B', queue_name: 'none' }, /Queue 'none' not found/],
    [{ ...objects, script_name: 'none', class_name: 'Counter' }, /script 'none' that does not exist/],
    [{ ...objects, script_name: 'theirs', class_name: 'None' }, /class 'None' that is not exported/],
    [{ type: 'd1', name: 'B', id: 'none' }, /database 'none' which was not found/],
    [{ type: 'r2_bucket', name: 'B', bucket_name: 'none' }, /R2 bucket 'none' not found/],
    [{ type: 'hyperdrive', name: 'B', id: 'none' }, /config 'none' which was not found/],
    [{ type: 'vectorize', name: 'B', index_name: 'none' }, /index 'none' which was not found/],
  ];
  for (const [at, [binding, message]] of cases.entries()) {
    const refused = deploy(worker(at + 2, '"another"', { bindings: [binding] }));
    await expect(refused).rejects.toMatchObject({
      code: 'cloudflare_refused',
      message: expect.stringMatching(message),
    });
  }
  expect(await textAt(url)).toBe('as it was');
  const { result } = await apiOf(baseUrl)('GET', '/scripts/tracker/versions');
  expect(result).toMatchObject({ items: [{ id: versionId }] });
});

it('a Worker in a dispatch namespace is reached through its dispatcher, and says the version that was accepted', async () => {
  const { deploy, url: baseUrl } = await orchestrator();
  const api = apiOf(baseUrl);
  const inSites = (number: number, COLOUR: string) =>
    deploy(deployment(number, { dispatchNamespace: 'sites', vars: { COLOUR } }));
  await expect(inSites(1, 'blue')).rejects.toThrow(/namespace does not exist/);
  await api('POST', '/dispatch/namespaces', { name: 'sites' });
  const bindings = [{ type: 'dispatch_namespace', name: 'SITES', namespace: 'sites' }];
  const dispatcher = await deployed(baseUrl, 'dispatcher', uploadForm([DISPATCHER], { bindings }));
  for (const [number, colour] of [
    [2, 'blue'],
    [3, 'red'],
  ] as const) {
    const { versionId, proof, url } = await inSites(number, colour);
    expect([proof, url]).toEqual(['accepted', '']);
    const answer = await fetch(dispatcher);
    expect(await answer.text()).toBe(`hello ${colour} 7`);
    expect(answer.headers.get('worker-version')).toBe(versionId);
  }
  await expect(deploy(deployment(4, { dispatchNamespace: 'sites', siteId: 'site-2' }))).rejects.toMatchObject(
    { code: 'conflict' },
  );
});

const DISPATCHER = {
  name: 'index.js',
  content: `export default { fetch: (request, env) => env.SITES.get('tracker').fetch(request) };`,
};

it('an undone deployment takes its own addresses back, and one on another Worker’s host name is not begun', async () => {
  const { deploy, url: baseUrl } = await orchestrator();
  const api = apiOf(baseUrl);
  const addresses = async () => {
    const domains = z.array(z.object({ hostname: z.string(), service: z.string() }));
    const routes = z.array(z.object({ pattern: z.string() }));
    const path = '/services/tracker/environments/production/routes';
    return [
      ...domains
        .parse((await api('GET', '/domains')).result)
        .map(({ hostname, service }) => `${hostname} ${service}`),
      ...routes.parse((await api('GET', path)).result).map(({ pattern }) => pattern),
    ];
  };
  await deploy(worker(1, '1', { routes: ['a.example/*'], customDomains: ['old.a.example'] }));
  await deployed(baseUrl, 'theirs', uploadForm([answering('1')]));
  await api('PUT', '/domains', { hostname: 'theirs.a.example', service: 'theirs' });
  const before = await addresses();
  const takesTheirs = deploy(worker(2, '2', { customDomains: ['theirs.a.example'] }));
  await expect(takesTheirs).rejects.toMatchObject({ code: 'conflict' });
  await api('PUT', '/scripts/theirs/routes', [{ pattern: 'b.example/*' }]);
  const more = { routes: ['b.example/*'], customDomains: ['old.a.example', 'new.a.example'] };
  await expect(deploy(worker(3, '3', more))).rejects.toThrow(/duplicate_route.*rolled back/);
  expect(await addresses()).toEqual(before);
  await api('PUT', '/scripts/theirs/routes', []);
  await deploy(worker(4, '4', more));
  expect(await addresses()).toEqual([
    'theirs.a.example theirs',
    'old.a.example tracker',
    'new.a.example tracker',
    'b.example/*',
  ]);
});
