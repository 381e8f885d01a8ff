import type { Problem } from '@clawdbot/protocol';
import { beforeEach, expect, it, vi } from 'vitest';
import { channelOf, entry, Peer, value } from '../channel/channel.fixture.ts';
import { CONSOLE, edge, fresh, RELAY, Tenant } from '../edge.fixture.ts';

let vps: string;
let shop: string;
let tenant: Tenant;
beforeEach(async () => {
  [vps, shop] = [fresh('vps'), fresh('shop')];
  tenant = await Tenant.create(vps);
  await tenant.call('POST', '/sites', { body: { id: shop } });
});

const path = (id = shop) => `/api/v1/sites/${id}/config/public`;
const read = (headers: Record<string, string> = {}) => edge(CONSOLE + path(), { headers });
const edit = async (base: number, config: object) => {
  const submission = { siteId: shop, actor: 'op', payload: { base, config } };
  return value(await channelOf(vps).updateConfig(submission as never));
};
const upstream = 'http://127.0.0.1:1';

it('is read by everyone, from every origin, and is nothing but the public part', async () => {
  await edit(0, { routes: [{ path: '/*', upstream }], public: { b: [1], a: { c: 'd' } } });
  const answer = await read({ origin: 'https://shop.example' });
  expect(await answer.text()).toBe('{"a":{"c":"d"},"b":[1]}');
  expect([answer.status, Object.fromEntries(answer.headers)]).toEqual([
    200,
    expect.objectContaining({
      'content-type': 'application/json',
      'access-control-allow-origin': '*',
      'cache-control': 'public, max-age=2',
      etag: expect.stringMatching(/^"[0-9a-f]{64}"$/),
    }),
  ]);
});

it('of a site that has none is empty', async () => {
  expect(await (await read()).json()).toEqual({});
});

it('answers 304 without a body to one who has it, and the whole to one who has another', async () => {
  const etag = (await read()).headers.get('etag') ?? '';
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const answer = await read({ 'if-none-match': known });
    expect([known, answer.status, await answer.text(), answer.headers.get('etag')]).toEqual([
      ...[known, 304, '', etag],
    ]);
  }
  expect((await read({ 'if-none-match': '"other"' })).status).toBe(200);
});

it('shows an edit within seconds, without the VPS, under another ETag', async () => {
  const before = (await read()).headers.get('etag');
  await edit(0, { public: { open: true } });
  await vi.waitFor(async () => expect(await (await read()).json()).toEqual({ open: true }), {
    timeout: 4_000,
  });
  expect((await read()).headers.get('etag')).not.toBe(before);
});

it('is not that of a generation which the VPS has refused', async () => {
  await edit(0, { public: { open: true } });
  const { digest } = value(await channelOf(vps).config(shop));
  const peer = await Peer.connect(vps);
  const { commandId } = await edit(1, { routes: [{ path: '/*', upstream }], public: { open: false } });
  peer.send({
    ...{ type: 'status', at: 1, version: '1', uptimeS: 1, workers: [] },
    memory: { rssBytes: 1, heapUsedBytes: 1 },
    queues: { inbox: 0, outbox: 0, deadLetters: 0 },
    sites: [{ siteId: shop, generation: 1, digest }],
    tunnel: { state: 'not_configured' },
  });
  const error = { code: 'bad_request', message: 'no' };
  peer.send(entry(1, { type: 'command_result', commandId, at: 1, state: 'failed', error }));
  const served = async () => JSON.parse(value(await channelOf(vps).publicConfig(shop)).body);
  await vi.waitFor(async () => expect(await served()).toEqual({ open: true }));
  await edit(2, { public: { open: 'soon' } });
  expect(await served()).toEqual({ open: 'soon' });
});

it('of a site that is not there, or no more, is 404', async () => {
  const missing = await edge(CONSOLE + path('no-such-shop'));
  expect([missing.status, (await missing.json<Problem>()).code]).toEqual([404, 'not_found']);
  expect((await read()).status).toBe(200);
  await tenant.call('DELETE', `/sites/${shop}`);
  await vi.waitFor(async () => expect((await read()).status).toBe(404), { timeout: 4_000 });
});

it('of a site that its object does not know any more is 404, though this isolate knows it', async () => {
  expect((await read()).status).toBe(200);
  value(await channelOf(vps).removeSite(shop));
  await vi.waitFor(async () => expect((await read()).status).toBe(404), { timeout: 4_000 });
});

it('answers on the console alone', async () => {
  expect((await edge(RELAY + path())).status).toBe(404);
});

it('has at most 16 KiB: more is refused, and nothing is changed', async () => {
  const config = { base: 0, config: { public: { long: 'x'.repeat(16 * 1024) } } };
  const body = { action: 'update_config', siteId: shop, payload: config };
  const answer = await tenant.call('POST', '/orchestrator', { body });
  expect([answer.status, (await answer.json<{ error: string }>()).error]).toEqual([
    400,
    expect.stringContaining('public: expected at most 16384 characters'),
  ]);
  expect(value(await channelOf(vps).config(shop)).generation).toBe(0);
});
