import { join } from 'node:path';
import type { DeployPayload } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { clawctl, folder } from './clawctl.fixture.ts';
import { CliError, type Io } from './io.ts';

const taken = () => ({
  success: true,
  data: { commandId: 'cmd_vps-1_0000000000000000000001', state: 'queued' },
  timestamp: '2026-01-01T00:00:00Z',
});

/** Gives the command line to an edge that takes everything. @returns what it was given */
async function deployed(args: string[], more: Partial<Io> = {}) {
  const edge = { 'POST /api/v1/orchestrator': [taken] };
  const { seen, error, err } = await clawctl(['deploy', ...args, '--site', 'shop', '--detach'], edge, more);
  if (error !== undefined) throw error;
  const { payload } = (seen[0]?.body ?? {}) as { payload: DeployPayload };
  return { payload, err };
}
const textOf = ({ modules, mainModule }: DeployPayload): string => String(modules[mainModule]);

describe('a folder', () => {
  it('is bundled into one module: TypeScript, packages, texts; WebAssembly and data stay apart', async () => {
    const root = folder({
      'src/index.ts': `
        import { greeting } from 'greetings';
        import page from './page.html';
        import data from './data.bin';
        import { connect } from 'cloudflare:sockets';
        const answer: string = greeting + page;
        export default { fetch: () => new Response(answer + data.byteLength + typeof connect) };`,
      'src/page.html': '<b>page</b>',
      'src/data.bin': new Uint8Array([0xff, 0xfe]),
      'node_modules/greetings/package.json': '{ "main": "main.js" }',
      'node_modules/greetings/main.js': `exports.greeting = require('events').name + 'hello';`,
    });
    const { payload } = await deployed([root, '--name', 'x']);
    const text = textOf(payload);
    expect(text).toMatch(/hello[\s\S]*<b>page<\/b>/);
    expect(text).toContain('from "cloudflare:sockets"');
    expect(text).toContain('from "node:events"');
    const [data = ''] = Object.keys(payload.modules).filter((path) => path !== payload.mainModule);
    expect(text).toContain(`"./${data}"`);
    expect(payload.modules[data]).toEqual({ base64: '//4=' });
  });

  it('is what its wrangler.jsonc says, and the options go before that', async () => {
    const root = folder({
      'wrangler.jsonc': `{
        // As wrangler has it.
        "name": "from-config", "main": "worker/main.ts", "compatibility_date": "2026-01-02",
        "vars": { "A": "1", "B": "2" }, "kv_namespaces": [], "triggers": { "crons": [] }, "workers_dev": true,
        "observability": { "enabled": true },
      }`,
      'worker/main.ts': 'export default {}',
    });
    const { payload, err } = await deployed([root, '--var', 'B=3']);
    expect(payload).toMatchObject({
      name: 'from-config',
      compatibilityDate: '2026-01-02',
      vars: { A: '1', B: '3' },
    });
    expect(err).toMatch(
      /^from-config: bundled from .*worker\/main.ts, 0\.\d KB in 1 module, compatibility date 2026-01-02, variables: A, B\n/,
    );
    expect(err).toMatch(/not deployed from wrangler’s config: observability$/);
    const other = await deployed([root, '--name', 'other', '--compatibility-date', '2026-03-04']);
    expect(other.payload).toMatchObject({ name: 'other', compatibilityDate: '2026-03-04' });
  });

  it('is what its wrangler.toml says as well', async () => {
    const files = { 'worker/main.ts': 'export default {}' };
    const toml = 'name = "from-toml"\nmain = "worker/main.ts"\n[vars]\nA = "1"\n';
    const { payload } = await deployed([folder({ ...files, 'wrangler.toml': toml })]);
    expect(payload).toMatchObject({ name: 'from-toml', vars: { A: '1' } });
    const broken = folder({ ...files, 'wrangler.toml': 'name = "x"\nmain = \n' });
    await expect(deployed([broken])).rejects.toThrow(/wrangler\.toml:2: Invalid TOML/);
  });

  it('begins with --main, else what package.json names, else index.ts and the like', async () => {
    const files = { 'index.ts': 'export const at = "index"', 'lib/a.mjs': 'export const at = "lib"' };
    expect(textOf((await deployed([folder(files)])).payload)).toContain('"index"');
    expect(textOf((await deployed([folder(files), '--main', 'lib/a.mjs'])).payload)).toContain('"lib"');
    const named = folder({ ...files, 'package.json': '{ "main": "lib/a.mjs" }' });
    expect(textOf((await deployed([named])).payload)).toContain('"lib"');
  });

  it('with mistakes is refused with the file and line of each', async () => {
    const root = folder({ 'index.ts': `import './nowhere';\nexport default {\n  fetch: () => 1 +,\n};` });
    await expect(deployed([root])).rejects.toThrow(/index\.ts:3:19: Unexpected ","/);
    const missing = folder({ 'index.ts': `import './nowhere';\nimport 'nothing';` });
    await expect(deployed([missing])).rejects.toThrow(
      /index\.ts:1:8: Could not resolve "\.\/nowhere"\n.*index\.ts:2:8: Could not resolve "nothing"/,
    );
    await expect(deployed([missing])).rejects.toBeInstanceOf(CliError);
  });

  it.each([
    ['1', /wrangler\.jsonc: expected an object/],
    ['{\n"name": \n}', /wrangler\.jsonc:3: ValueExpected/],
    ['{ "main": "no.ts" }', /there is no module no\.ts in/],
  ])('with a config that cannot be followed is refused: %s', async (config, message) => {
    const root = folder({ 'wrangler.jsonc': config, 'index.ts': '' });
    await expect(deployed([root])).rejects.toThrow(message);
  });
});

/** A Worker in a folder with this wrangler config. */
const withConfig = (config: object | string) =>
  folder({
    'index.ts': 'export default {}',
    ...(typeof config === 'string'
      ? { 'wrangler.toml': config }
      : { 'wrangler.jsonc': JSON.stringify({ name: 'x', ...config }) }),
  });

describe('wrangler’s config', () => {
  const ALL = {
    vars: { TEXT: 'a', LIST: [1, { two: true }] },
    routes: [
      'shop.example/*',
      { pattern: 'other.example/*', zone_name: 'other.example' },
      { pattern: 'tag.shop.example', custom_domain: true },
    ],
    compatibility_flags: ['nodejs_compat'],
    kv_namespaces: [{ binding: 'KV', id: 'k', preview_id: 'p', remote: true }],
    d1_databases: [{ binding: 'DB', database_id: 'd', database_name: 'n', migrations_dir: 'm' }],
    r2_buckets: [{ binding: 'R2', bucket_name: 'b' }],
    queues: { producers: [{ binding: 'JOBS', queue: 'q' }], consumers: [] },
    services: [{ binding: 'API', service: 'api', entrypoint: 'Public' }],
    durable_objects: { bindings: [{ name: 'ROOMS', class_name: 'Room', script_name: 'chat' }] },
    analytics_engine_datasets: [{ binding: 'STATS' }],
    hyperdrive: [{ binding: 'PG', id: 'h' }],
    vectorize: [{ binding: 'VEC', index_name: 'v' }],
    dispatch_namespaces: [{ binding: 'TENANTS', namespace: 'prod' }],
    version_metadata: { binding: 'CF_VERSION_METADATA' },
  };

  it('brings along its variables, bindings, routes and custom domains', async () => {
    const { payload, err } = await deployed([withConfig(ALL)]);
    expect(payload).toMatchObject({
      vars: { TEXT: 'a' },
      routes: ['shop.example/*', 'other.example/*'],
      customDomains: ['tag.shop.example'],
      compatibilityFlags: ['nodejs_compat'],
    });
    expect(payload.bindings).toEqual([
      { type: 'json', name: 'LIST', json: [1, { two: true }] },
      { type: 'kv_namespace', name: 'KV', namespace_id: 'k' },
      { type: 'd1', name: 'DB', id: 'd' },
      { type: 'r2_bucket', name: 'R2', bucket_name: 'b' },
      { type: 'queue', name: 'JOBS', queue_name: 'q' },
      { type: 'service', name: 'API', service: 'api', entrypoint: 'Public' },
      { type: 'durable_object_namespace', name: 'ROOMS', class_name: 'Room', script_name: 'chat' },
      { type: 'analytics_engine', name: 'STATS', dataset: 'STATS' },
      { type: 'hyperdrive', name: 'PG', id: 'h' },
      { type: 'vectorize', name: 'VEC', index_name: 'v' },
      { type: 'dispatch_namespace', name: 'TENANTS', namespace: 'prod' },
    ]);
    expect(err).toMatch(/bindings: LIST, KV, .*, routes: shop\.example.*, custom domains: tag\.shop/);
  });

  it('gives way to options: a name to the one that has it, routes, domains and flags as a whole', async () => {
    const { payload } = await deployed([
      ...[withConfig(ALL), '--var', 'LIST=now text', '--secret', 'TEXT=STRIPE', '--binding', 'KV=r2:bucket'],
      ...['--route', 'new.example/*', '--domain', 'new.example', '--compatibility-flag', 'url_standard'],
    ]);
    expect(payload).toMatchObject({
      vars: { LIST: 'now text' },
      secrets: { TEXT: 'STRIPE' },
      routes: ['new.example/*'],
      customDomains: ['new.example'],
      compatibilityFlags: ['url_standard'],
    });
    expect(payload.bindings?.filter(({ name }) => name === 'KV' || name === 'LIST')).toEqual([
      { type: 'r2_bucket', name: 'KV', bucket_name: 'bucket' },
    ]);
  });

  it('is as it says when it wants no bundle', async () => {
    const { payload } = await deployed([withConfig({ no_bundle: true, main: 'index.ts' })]);
    expect(payload).toMatchObject({ name: 'x', mainModule: 'index.ts' });
  });

  it.each<[object | string, RegExp, string]>([
    [{ triggers: { crons: ['* * * * *'] } }, /triggers cannot be deployed.*--skip triggers$/, 'triggers'],
    ['name = "x"\n[assets]\ndirectory = "./public"\n', /assets cannot be deployed/, 'assets'],
    [{ of_a_later_wrangler: 1 }, /of_a_later_wrangler cannot be deployed/, 'of_a_later_wrangler'],
    [{ queues: { consumers: [{ queue: 'q' }] } }, /--skip queues\.consumers$/, 'queues.consumers'],
    [
      { durable_objects: { bindings: [{ name: 'R', class_name: 'Room' }] } },
      /durable_objects\.bindings\[0\]\.script_name: .*which wrangler alone deploys.*--skip durable_objects/,
      'durable_objects',
    ],
    [{ kv_namespaces: [{ binding: 'KV' }] }, /\[0\]\.id: .*wrangler kv namespace create/, 'kv_namespaces'],
    [
      { r2_buckets: [{ binding: 'R2', bucket_name: 'b', jurisdiction: 'eu' }] },
      /r2_buckets\[0\]\.jurisdiction: unknown/,
      'r2_buckets',
    ],
    [{ version_metadata: { binding: 'V' } }, /expected CF_VERSION_METADATA/, 'version_metadata'],
    [{ secrets: { required: ['KEY'] } }, /give --secret KEY=.*or --skip secrets/, 'secrets'],
    [{ secrets: { KEY: 'value' } }, /secrets\.KEY: unknown/, 'secrets'],
  ])('with what would be missed is refused, unless that is skipped: %s', async (config, message, member) => {
    const root = withConfig(config);
    await expect(deployed([root])).rejects.toThrow(message);
    const { payload } = await deployed([root, '--skip', member]);
    expect(payload.bindings).toBeUndefined();
  });

  it('is satisfied by references to the secrets that it requires', async () => {
    const root = withConfig({ secrets: { required: ['KEY'] } });
    expect((await deployed([root, '--secret', 'KEY=STRIPE'])).payload.secrets).toEqual({ KEY: 'STRIPE' });
  });
});

describe('an option', () => {
  const root = () => withConfig({});

  it('binds to each kind of thing', async () => {
    const { payload } = await deployed([
      ...[root(), '--binding', 'KV=kv:k', '--binding', 'DB=d1:d', '--binding', 'JOBS=queue:q'],
      ...['--binding', 'API=service:api#Public', '--binding', 'ROOMS=do:Room@chat'],
      ...['--binding', 'TENANTS=dispatch_namespace:prod'],
    ]);
    expect(payload.bindings).toEqual([
      { type: 'kv_namespace', name: 'KV', namespace_id: 'k' },
      { type: 'd1', name: 'DB', id: 'd' },
      { type: 'queue', name: 'JOBS', queue_name: 'q' },
      { type: 'service', name: 'API', service: 'api', entrypoint: 'Public' },
      { type: 'durable_object_namespace', name: 'ROOMS', class_name: 'Room', script_name: 'chat' },
      { type: 'dispatch_namespace', name: 'TENANTS', namespace: 'prod' },
    ]);
  });

  it('names a dispatch namespace, which takes no routes', async () => {
    const into = [root(), '--dispatch-namespace', 'prod'];
    expect((await deployed(into)).payload.dispatchNamespace).toBe('prod');
    await expect(deployed([...into, '--route', 'a.example/*'])).rejects.toThrow(
      /dispatchNamespace: .*routes/,
    );
  });

  it.each([
    [['--binding', 'KV=k'], /--binding KV=k: expected NAME= and one of kv:<id>/],
    [['--binding', 'ROOMS=do:Room'], /do:<class>@<worker>/],
    [['--binding', 'X=constructor:a'], /expected NAME= and one of/],
    [['--binding', 'kv:k'], /expected NAME= and one of/],
    [['--secret', 'KEY'], /--secret KEY: expected NAME=the name of a secret/],
    [['--secret', 'KEY=not a name'], /secrets\.KEY: /],
    [['--route', 'everywhere'], /routes\[0\]: expected a route pattern/],
    [['--domain', 'https://a.example'], /customDomains\[0\]: expected a host name/],
    [['--compatibility-flag', 'No Flag'], /compatibilityFlags\[0\]: expected a compatibility flag/],
    [['--compatibility-date', 'today'], /compatibilityDate: expected a date/],
    [['--var', 'A=1', '--secret', 'A=B'], /expected each name once/],
  ])('that is wrong is refused with what is expected: %s', async (args, message) => {
    await expect(deployed([root(), ...args])).rejects.toThrow(message);
  });

  it('says what the Worker’s health is looked at by; a template knows', async () => {
    const looked = await deployed([root(), '--check', '/up', '--check-status', '204']);
    expect(looked.payload.health).toEqual({ path: '/up', status: 204 });
    expect((await deployed([root()])).payload.health).toBeUndefined();
    const tag = ['--template', 'site-tag', '--var', 'RELAY_URL=https://relay.example'];
    expect((await deployed(tag)).payload.health).toEqual({ path: '/health', status: 200 });
  });
});

describe('a file', () => {
  it('is bundled by itself, and names the Worker', async () => {
    const root = folder({
      'Lead_Form.v2.ts': 'import { a } from "./a"; export default { fetch: () => a as string }',
      'a.ts': 'export const a = "lib"',
      'wrangler.jsonc': '{ "name": "not-asked" }',
    });
    const { payload } = await deployed([join(root, 'Lead_Form.v2.ts')]);
    expect(payload.name).toBe('lead-form-v2');
    expect(textOf(payload)).toContain('"lib"');
  });
});

describe('a template', () => {
  it('is told the site and where edge and relay are', async () => {
    const { payload } = await deployed(['--template', 'site-tag', '--var', 'ORIGINS=https://shop.example'], {
      env: {
        CLAWCTL_URL: 'https://edge.example',
        CLAWCTL_TOKEN: 't',
        CLAWCTL_RELAY_URL: 'https://relay.example',
      },
    });
    expect(payload).toMatchObject({
      name: 'shop-site-tag',
      vars: {
        SITE_ID: 'shop',
        EDGE_URL: 'https://edge.example',
        RELAY_URL: 'https://relay.example',
        ORIGINS: 'https://shop.example',
      },
    });
    expect(textOf(payload), 'with the script for browsers in it').toMatch(/_ae_outbox/);
  });

  it('says which variable it needs', async () => {
    await expect(deployed(['--template', 'site-tag'])).rejects.toThrow(
      /needs RELAY_URL: give --var RELAY_URL=…, or set CLAWCTL_RELAY_URL/,
    );
    const proxy = ['--template', 'proxy', '--var', 'UPSTREAM_URL=https://shop.example'];
    await expect(deployed(proxy)).rejects.toThrow(/the template proxy needs TAG_URL/);
  });

  it('takes the place of a path', async () => {
    for (const args of [[], [folder({ 'index.ts': '' }), '--template', 'proxy']])
      await expect(deployed(args)).rejects.toThrow(/name what to deploy/);
  });
});

it('goes out by steps when they are given', async () => {
  const root = folder({ 'index.ts': 'export default {}' });
  const steps = ['--steps', '1,10,100', '--bake', '5', '--check', '/health'];
  expect((await deployed([root, '--name', 'x', ...steps])).payload.strategy).toEqual({
    type: 'gradual',
    steps: [1, 10, 100],
    bakeMs: 5_000,
    healthCheck: { path: '/health', status: 200, maxErrorRate: 0 },
  });
});
