import { describe, expect, it } from 'vitest';
import { folder } from './clawctl.fixture.ts';
import { deployed } from './deploy.fixture.ts';

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

  it('is all that a skipped path leads through', async () => {
    await deployed([withConfig({}), '--skip', '__proto__.toLocaleString']);
    expect(Object.prototype).toHaveProperty('toLocaleString');
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
