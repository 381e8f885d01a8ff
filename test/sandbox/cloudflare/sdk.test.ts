import Cloudflare, { APIError } from 'cloudflare';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { ACCOUNT, answering, ownCloudflare, TOKEN, textAt, uploadForm } from './fixture.ts';

const account = { account_id: ACCOUNT };
const client = (baseURL: string, apiToken = TOKEN): Cloudflare =>
  new Cloudflare({ apiToken, baseURL, maxRetries: 0 });
const WithUrl = z.object({ url: z.string() });
const Uploaded = z.object({ result: z.object({ id: z.string() }) });

test('the cloudflare SDK uploads, deploys, splits and sets secrets, as our orchestrator does', async () => {
  const { url } = await ownCloudflare();
  const sdk = client(url);
  const { scripts } = sdk.workers;

  // The SDK's own upload methods send malformed forms (cloudflare-typescript#2799): raw calls instead.
  await sdk.put(`/accounts/${ACCOUNT}/workers/scripts/shop`, {
    body: uploadForm([answering('"one " + env.KEY')]),
  });
  const subdomain = await scripts.subdomain.create('shop', {
    ...account,
    enabled: true,
    previews_enabled: false,
  });
  const at = WithUrl.parse(subdomain).url;
  expect(await scripts.subdomain.get('shop', account)).toEqual(subdomain);
  expect(await textAt(at)).toBe('one undefined');

  await scripts.secrets.update('shop', { ...account, name: 'KEY', text: 'hidden', type: 'secret_text' });
  expect(await textAt(at)).toBe('one hidden');

  const form = uploadForm([answering('"two " + env.KEY')], {
    keep_bindings: ['secret_text'],
    annotations: { 'workers/tag': 'cmd-1', 'workers/message': 'from a test' },
  });
  const created = await sdk.post(`/accounts/${ACCOUNT}/workers/scripts/shop/versions`, { body: form });
  const second = Uploaded.parse(created).result.id;
  const listed = (await scripts.versions.list('shop', account)).getPaginatedItems();
  expect(listed.map(({ number }) => number)).toEqual([3, 2, 1]);
  expect(listed[0]).toMatchObject({ id: second, annotations: { 'workers/tag': 'cmd-1' } });

  const before = z.string().parse(listed[1]?.id);
  const versions = [
    { version_id: second, percentage: 0 },
    { version_id: before, percentage: 100 },
  ];
  const split = await scripts.deployments.create('shop', { ...account, strategy: 'percentage', versions });
  expect(await textAt(at)).toBe('one hidden');
  const headers = { 'Cloudflare-Workers-Version-Overrides': `shop="${second}"` };
  expect(await textAt(at, { headers }), 'the override reaches a version at 0 %').toBe('two hidden');
  expect(await scripts.deployments.get(split.id, { ...account, script_name: 'shop' })).toMatchObject({
    versions,
  });

  const version = await scripts.versions.get(second, { ...account, script_name: 'shop' });
  expect(version.resources.bindings, 'a secret is named, never shown').toEqual([
    { name: 'KEY', type: 'secret_text' },
  ]);
  expect(await sdk.workers.subdomains.get(account)).toEqual({ subdomain: 'sandbox' });
  await scripts.delete('shop', account);
  await expect(fetch(at)).rejects.toThrow();
}, 20_000);

test('the SDK changes several secrets at once, lists them by name and deletes them', async () => {
  const { url } = await ownCloudflare();
  const sdk = client(url);
  const { secrets } = sdk.workers.scripts;
  await sdk.put(`/accounts/${ACCOUNT}/workers/scripts/many`, { body: uploadForm([answering('1')]) });
  const put = (name: string) => ({ name, text: 'x', type: 'secret_text' as const });
  await secrets.bulkUpdate('many', { ...account, secrets: { A: put('A'), B: put('B') } });
  await secrets.bulkUpdate('many', { ...account, secrets: { A: null, C: put('C') } });
  await secrets.delete('B', { ...account, script_name: 'many' });
  expect((await secrets.list('many', account)).getPaginatedItems()).toEqual([
    { name: 'C', type: 'secret_text' },
  ]);
  expect(await secrets.get('C', { ...account, script_name: 'many' })).toEqual({
    name: 'C',
    type: 'secret_text',
  });
  const versions = await sdk.workers.scripts.versions.list('many', account);
  expect(versions.getPaginatedItems(), 'one version per change').toHaveLength(4);
});

test('the SDK gets the errors it knows: 401 for a bad token, 404 with 10007, 429 with retry-after', async () => {
  const { url } = await ownCloudflare({ budget: { calls: 1, windowMs: 60_000 } });
  const refusal = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);
  const wrong = await refusal(client(url, 'another').workers.subdomains.get(account));
  expect(wrong).toMatchObject({ status: 401, errors: [{ code: 10000 }] });
  const missing = await refusal(client(url).workers.scripts.subdomain.get('none', account));
  expect(missing).toMatchObject({ status: 404, errors: [{ code: 10007 }] });
  const throttled = await refusal(client(url).workers.subdomains.get(account));
  expect(throttled).toMatchObject({ status: 429, errors: [{ code: 971 }] });
  expect(throttled instanceof APIError && throttled.headers?.get('retry-after')).toBe('60');
});

test('the SDK manages dispatch namespaces, queues, custom domains and routes', async () => {
  const { url } = await ownCloudflare();
  const sdk = client(url);
  const path = (rest: string) => `/accounts/${ACCOUNT}/workers/${rest}`;
  const { namespaces } = sdk.workersForPlatforms.dispatch;
  expect(await namespaces.create({ ...account, name: 'sites' })).toMatchObject({ namespace_name: 'sites' });
  await sdk.put(path('dispatch/namespaces/sites/scripts/shop'), { body: uploadForm([answering('1')]) });
  const inSites = { ...account, dispatch_namespace: 'sites' };
  await namespaces.scripts.tags.update('shop', { ...inSites, body: ['a', 'b'] });
  const shop = await namespaces.scripts.get('shop', inSites);
  expect(shop).toMatchObject({ dispatch_namespace: 'sites', script: { id: 'shop', tags: ['a', 'b'] } });
  await namespaces.scripts.delete('shop', inSites);
  expect((await namespaces.list(account)).getPaginatedItems()).toMatchObject([{ script_count: 0 }]);
  await namespaces.delete('sites', account);
  await expect(namespaces.get('sites', account)).rejects.toMatchObject({ errors: [{ code: 100119 }] });

  for (const name of ['one', 'two'])
    await sdk.put(path(`scripts/${name}`), { body: uploadForm([answering('1')]) });
  const { domains, routes } = sdk.workers;
  const domain = { ...account, hostname: 'shop.a.example', service: 'one' };
  const { id, zone_id } = await domains.update(domain);
  await expect(domains.update({ ...domain, service: 'two' })).rejects.toMatchObject({
    errors: [{ code: 100116 }],
  });
  expect((await domains.list({ ...account, service: 'one' })).getPaginatedItems()).toHaveLength(1);
  await domains.delete(id, account);
  expect((await domains.list(account)).getPaginatedItems()).toEqual([]);
  const route = { zone_id, pattern: 'shop.a.example/*' };
  await routes.create({ ...route, script: 'one' });
  await expect(routes.create({ ...route, script: 'two' })).rejects.toMatchObject({
    errors: [{ code: 10020 }],
  });
  const [known] = (await routes.list({ zone_id })).getPaginatedItems();
  await routes.delete(known?.id ?? '', { zone_id });
  expect((await routes.list({ zone_id })).getPaginatedItems()).toEqual([]);

  const { queue_id = '' } = await sdk.queues.create({ ...account, queue_name: 'orders' });
  expect((await sdk.queues.list(account)).getPaginatedItems()).toMatchObject([{ queue_name: 'orders' }]);
  expect(await sdk.queues.get(queue_id, account)).toMatchObject({ consumers: [], producers: [] });
  await sdk.queues.delete(queue_id, account);
  await expect(sdk.queues.get(queue_id, account)).rejects.toMatchObject({ errors: [{ code: 11000 }] });
});
