import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { eventually } from '../../eventually.ts';
import { ACCOUNT, apiOf, ownCloudflare, TOKEN, temporaryDir, textAt } from './fixture.ts';

const run = promisify(execFile);
const WRANGLER = join(
  dirname(fileURLToPath(import.meta.resolve('wrangler/package.json'))),
  'bin/wrangler.js',
);
const NAME = 'made-by-wrangler';
const SOURCE = `interface Env { WHO: string; S?: string; VERSION: { id: string } }
export default { fetch: (_: Request, env: Env): Response => new Response(['hi', env.WHO, env.S ?? '-', env.VERSION.id].join(' ')) };`;

/** A project on disk, and wrangler run in it as a person with a token would. */
async function project(apiUrl: string, source = SOURCE) {
  const dir = await temporaryDir();
  await mkdir(join(dir, 'src'));
  await writeFile(join(dir, 'src/index.ts'), source);
  const configure = (who: string, more: object = {}): Promise<void> =>
    writeFile(
      join(dir, 'wrangler.jsonc'),
      JSON.stringify({
        name: NAME,
        main: 'src/index.ts',
        compatibility_date: '2026-01-01',
        workers_dev: true,
        upload_source_maps: true,
        version_metadata: { binding: 'VERSION' },
        vars: { WHO: who },
        account_id: ACCOUNT,
        ...more,
      }),
    );
  const env = {
    ...process.env,
    CLOUDFLARE_API_BASE_URL: apiUrl,
    CLOUDFLARE_API_TOKEN: TOKEN,
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_LOG_PATH: dir,
    CI: '1',
  };
  const wrangler = async (...args: string[]): Promise<string> => {
    const running = run(process.execPath, [WRANGLER, ...args], { cwd: dir, env, timeout: 30_000 });
    running.child.stdin?.end('shh\n');
    return (await running).stdout;
  };
  return { configure, wrangler };
}

const firstMatch = (pattern: RegExp, text: string): string => z.string().parse(pattern.exec(text)?.[1]);

test('wrangler deploys, lists, puts secrets, splits, rolls back and deletes, as against Cloudflare', async () => {
  const cloudflare = await ownCloudflare();
  const { configure, wrangler } = await project(cloudflare.url);
  const workers = async () =>
    z.record(z.string(), z.string()).parse(await (await fetch(cloudflare.workersUrl)).json());
  const answer = async (): Promise<string> => textAt((await workers())[NAME] ?? '');

  await configure('one');
  const first = firstMatch(/Current Version ID: (\S+)/, await wrangler('deploy'));
  expect(await answer()).toBe(`hi one - ${first}`);

  expect(await wrangler('versions', 'list')).toContain(first);
  expect(await wrangler('deployments', 'list')).toContain(`(100%) ${first}`);

  await wrangler('secret', 'put', 'S');
  expect(await answer()).toMatch(/^hi one shh /);
  expect(await wrangler('secret', 'list')).toContain('"name": "S"');

  await configure('two');
  const uploaded = await wrangler('versions', 'upload', '--tag', 'v2', '--message', 'the second');
  const second = firstMatch(/Worker Version ID: (\S+)/, uploaded);
  expect(await answer(), 'an upload alone deploys nothing').toMatch(/^hi one shh /);
  expect(await wrangler('versions', 'list')).toMatch(/v2[\s\S]*the second/);

  const before = firstMatch(/(\S+)$/, await answer());
  await wrangler('versions', 'deploy', `${before}@50%`, `${second}@50%`, '--yes');
  const answers = new Set(await Promise.all(Array.from({ length: 40 }, answer)));
  expect(answers, 'each has its half').toEqual(new Set([`hi one shh ${before}`, `hi two shh ${second}`]));

  await wrangler('versions', 'deploy', `${second}@100%`, '--yes');
  expect(await answer()).toBe(`hi two shh ${second}`);

  await configure('three');
  const third = firstMatch(/Current Version ID: (\S+)/, await wrangler('deploy'));
  expect(await answer(), 'a second deploy keeps the secret').toBe(`hi three shh ${third}`);

  await wrangler('rollback', '--yes');
  expect(await answer()).toBe(`hi two shh ${second}`);

  await wrangler('delete', '--force');
  expect(await workers()).toEqual({});
}, 120_000);

test('wrangler shows what is wrong with a Worker that does not start', async () => {
  const cloudflare = await ownCloudflare();
  const { configure, wrangler } = await project(cloudflare.url);
  await configure('one');
  await expect(wrangler('deploy', '--compatibility-flag', 'no_such_flag')).rejects.toMatchObject({
    stderr: expect.stringMatching(/No such compatibility flag: no_such_flag[\s\S]*10021/),
  });
}, 30_000);

/** A dispatcher that counts in a Durable Object of its own, and tells a queue of which it is the consumer as well. */
const DISPATCHER = `import { DurableObject } from 'cloudflare:workers';
export class Counter extends DurableObject { add(n: number) { const all = (this.ctx.storage.kv.get<number>('all') ?? 0) + n; this.ctx.storage.kv.put('all', all); return all; } }
export default {
  async fetch(request: Request, env: any) {
    const counter = env.COUNTER.get(env.COUNTER.idFromName('visits'));
    if (new URL(request.url).pathname === '/count') return new Response(await counter.add(0));
    await env.VISITS.send({ n: 1 });
    return env.SITES.get('${NAME}').fetch(request);
  },
  async queue(batch: any, env: any) { await env.COUNTER.getByName('visits').add(batch.messages.length); },
};`;

test('wrangler deploys into a dispatch namespace, and a dispatcher with a queue, a class of objects, a route and a domain', async () => {
  const cloudflare = await ownCloudflare();
  const site = await project(cloudflare.url);
  await site.configure('site');
  expect(await site.wrangler('dispatch-namespace', 'create', 'sites')).toContain(
    'Created dispatch namespace "sites"',
  );
  const version = firstMatch(
    /Current Version ID: (\S+)/,
    await site.wrangler('deploy', '--dispatch-namespace', 'sites'),
  );
  expect(await site.wrangler('dispatch-namespace', 'list')).toMatch(
    /namespace_name: 'sites'[\s\S]*script_count: 1/,
  );

  const dispatcher = await project(cloudflare.url, DISPATCHER);
  await dispatcher.configure('dispatcher', {
    name: 'dispatcher',
    dispatch_namespaces: [{ binding: 'SITES', namespace: 'sites' }],
    queues: { producers: [{ binding: 'VISITS', queue: 'visits' }], consumers: [{ queue: 'visits' }] },
    durable_objects: { bindings: [{ name: 'COUNTER', class_name: 'Counter' }] },
    migrations: [{ tag: 'v1', new_sqlite_classes: ['Counter'] }],
    routes: [
      { pattern: 'a.example/*', zone_name: 'a.example' },
      { pattern: 'shop.a.example', custom_domain: true },
    ],
  });
  await dispatcher.wrangler('deploy');
  const { dispatcher: at = '' } = z
    .record(z.string(), z.string())
    .parse(await (await fetch(cloudflare.workersUrl)).json());
  expect(await textAt(at)).toBe(`hi site - ${version}`);
  await eventually(
    'the queue was delivered',
    () => textAt(`${at}/count`),
    (count) => count === '1',
  );
  const api = apiOf(cloudflare.url);
  expect((await api('GET', '/services/dispatcher/environments/production/routes')).result).toMatchObject([
    { pattern: 'a.example/*' },
  ]);
  expect((await api('GET', '/domains')).result).toMatchObject([
    { hostname: 'shop.a.example', service: 'dispatcher' },
  ]);

  await site.wrangler('dispatch-namespace', 'delete', 'sites');
  expect((await fetch(at)).status).toBe(500);
}, 120_000);
