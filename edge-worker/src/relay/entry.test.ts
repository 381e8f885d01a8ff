import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { type BodyHead, RELAY_BODY_BYTES_MAX, type RequestHead } from '@clawdbot/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { Peer } from '../channel/channel.fixture.ts';
import type { Directory } from '../data/directory.ts';
import { edge, fresh, RELAY, Tenant } from '../edge.fixture.ts';
import { addressOf } from '../hosts.ts';
import { servicesOf } from '../services.ts';
import { relayBySite, splitSite } from './entry.ts';
import { callOf } from './request.ts';

const vps = fresh('vps');
const site = fresh('shop');
const hostname = `${site}.example.net`;
let peer: Peer;
beforeAll(async () => {
  const tenant = await Tenant.create(vps);
  await tenant.call('POST', '/sites', { body: { id: site, hostnames: [hostname] } });
  const config = { routes: [{ path: '/*', upstream: 'http://127.0.0.1:9' }] };
  const body = { action: 'update_config', siteId: site, payload: { base: 0, config } };
  expect((await tenant.call('POST', '/orchestrator', { body })).status).toBe(202);
  peer = await Peer.connect(vps);
  return () => peer.close(1000, '');
});

type Reply = { status?: number; headers?: [string, string][]; body?: BodyHead };

/** Sends a customer's request, answers it as the orchestrator would, and gives both. */
async function relayed(path: string, init: RequestInit = {}, reply: Reply = {}, base = `${RELAY}/s/${site}`) {
  const asked = edge(`${base}${path}`, { redirect: 'manual', ...init });
  const request: RequestHead = await peer.next('request');
  const { status = 200, headers = [], body = { kind: 'none' } } = reply;
  peer.send({ type: 'response', id: request.id, status, headers, body });
  return { request, response: await asked };
}

describe('the URL', () => {
  it.each<[string, string | undefined, string?]>([
    ['/s/demo', '/'],
    ['/s/demo/', '/'],
    ['/s/demo?a=b', '/?a=b'],
    ['/s/demo/a/../b/%2e%2E//c?x=%zz&x=1?&', '/a/../b/%2e%2E//c?x=%zz&x=1?&'],
    ['/s//demo', undefined],
    ['/s/Demo/', undefined],
    ['/S/demo/', undefined],
    ['//s/demo', undefined],
    ['/other', undefined],
  ])('%s is %s of the site', (url, rest) => {
    expect(splitSite(url)).toEqual(rest === undefined ? undefined : { siteId: 'demo', url: rest });
  });

  it('reaches the upstream without its prefix, otherwise as it was', async () => {
    const { request } = await relayed('/a%2Fb//c?q=%20+&q=');
    expect(request).toMatchObject({
      target: 'upstream',
      siteId: site,
      method: 'GET',
      url: '/a%2Fb//c?q=%20+&q=',
    });
  });

  it('on a mapped host name is the site’s from its root, where /s/ means nothing', async () => {
    const { request } = await relayed('/s/other/x', {}, {}, `https://${hostname}`);
    expect(request).toMatchObject({ siteId: site, url: '/s/other/x' });
    expect(new Map(request.headers).get('x-forwarded-host')).toBe(hostname);
  });
});

describe('a relayed request', () => {
  it('says apart whose it is by a Worker’s word, which goes no further than the object', async () => {
    const request = new Request(RELAY, {
      headers: { 'X-Orchestrator-Visitor': 't=1,ip=::1,v1=0', 'X-Own': 'a' },
    });
    const address = { protocol: 'https', host: 'relay.example', url: '/' };
    const passage = { requestId: 'r', address, url: '/', randomHex: () => 'ab' };
    const { visitor, headers } = await callOf(request, passage);
    expect([visitor, new Map(headers).get('x-own')]).toEqual(['t=1,ip=::1,v1=0', 'a']);
    expect(JSON.stringify(headers)).not.toContain('ip=::1');
  });

  it('of the site’s own Worker is counted by its version, which the upstream does not see', async () => {
    const asking = { type: 'get_tally', siteId: site, window: 'w', version: 'new', before: 'old' } as const;
    peer.send({ ...asking, id: 1 });
    await peer.next('tally');
    const headers = { 'X-Orchestrator-Worker-Version': 'new', 'X-Own': '1' };
    const one = await relayed('/', { headers }, { status: 400 });
    expect(new Map(one.request.headers).get('x-own')).toBe('1');
    expect([...new Map(one.request.headers).keys()].filter((name) => name.includes('worker'))).toEqual([]);
    await relayed('/', { headers: { ...headers, 'X-Orchestrator-Worker-Version': 'old' } });
    await relayed('/');
    peer.send({ ...asking, id: 3 });
    expect(await peer.next('tally')).toMatchObject({
      ...{ version: { answered: 0, failed: 1 }, before: { answered: 1, failed: 0 } },
      others: { answered: 1, failed: 0 },
    });
  });

  it('tells the upstream who asked, in our words alone', async () => {
    const headers = {
      'cf-connecting-ip': '203.0.113.9',
      'x-forwarded-for': '1.1.1.1',
      'x-request-id': 'mine',
    };
    const { request, response } = await relayed('/', { headers });
    expect(new Map(request.headers)).toEqual(
      new Map([
        ['x-forwarded-for', '203.0.113.9'],
        ['x-forwarded-proto', 'https'],
        ['x-forwarded-host', new URL(RELAY).host],
        ['x-request-id', request.requestId],
        ['traceparent', expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)],
      ]),
    );
    expect(response.headers.get('x-request-id')).toBe(request.requestId);
  });

  it('brings its method and its body', async () => {
    const { request } = await relayed('/form', {
      method: 'POST',
      body: 'a=1',
      headers: { 'content-type': 'text/x' },
    });
    expect(request).toMatchObject({ method: 'POST', body: { kind: 'text', data: 'a=1' } });
    expect(new Map(request.headers).get('content-type')).toBe('text/x');
  });

  it('with a body over the limit is 413, and never sent', async () => {
    const response = await edge(`${RELAY}/s/${site}/`, {
      method: 'POST',
      body: new Uint8Array(RELAY_BODY_BYTES_MAX + 1),
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: 'too_large', detail: 'The request is too large.' });
  });

  it('to a site that is not there is a short 404', async () => {
    const response = await edge(`${RELAY}/s/nowhere/`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'not_found' });
  });
});

it('to a paused site does not reach its object', async () => {
  const services = servicesOf(env, createExecutionContext());
  const paused = { siteId: 'shop', orgId: 'org', orchestratorId: 'vps', paused: true };
  const directory = { site: async () => paused } as unknown as Directory;
  const channel = () => expect.unreachable('the object was asked');
  const request = new Request(`${RELAY}/s/shop/`);
  const arrival = { request, address: addressOf(request.url), requestId: 'r1' };
  const response = await relayBySite(arrival, { ...services, directory, channel });
  expect([response.status, await response.json()]).toMatchObject([503, { code: 'site_paused' }]);
});

it('a customer who left before their request was read asks nobody anything', async () => {
  const services = servicesOf(env, createExecutionContext());
  const known = { siteId: 'shop', orgId: 'org', orchestratorId: 'vps', paused: false };
  const directory = { site: async () => known } as unknown as Directory;
  const channel = () => expect.unreachable('the object was asked');
  const request = new Request(`${RELAY}/s/shop/`, { signal: AbortSignal.abort() });
  const arrival = { request, address: addressOf(request.url), requestId: 'r1' };
  const response = await relayBySite(arrival, { ...services, directory, channel });
  expect(response.status).toBe(504);
});

describe('a relayed answer', () => {
  it('keeps status, body and repeated headers', async () => {
    const headers: [string, string][] = [
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
      ['content-type', 'text/plain'],
    ];
    const { response } = await relayed(
      '/',
      {},
      { status: 418, headers, body: { kind: 'text', data: 'tea' } },
    );
    expect([response.status, await response.text()]).toEqual([418, 'tea']);
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  });

  it('that redirects is handed on', async () => {
    const { response } = await relayed(
      '/',
      {},
      { status: 302, headers: [['location', 'https://else.example/']] },
    );
    expect([response.status, response.headers.get('location')]).toEqual([302, 'https://else.example/']);
  });

  it.each([204, 205, 304])('of status %i has no body', async (status) => {
    const { response } = await relayed('/', {}, { status, body: { kind: 'text', data: 'x' } });
    expect([response.status, response.body]).toEqual([status, null]);
  });

  it('to HEAD has the length and not the body', async () => {
    const { response } = await relayed('/', { method: 'HEAD' }, { headers: [['content-length', '5']] });
    expect([response.status, response.headers.get('content-length'), await response.text()]).toEqual([
      200,
      '5',
      '',
    ]);
  });

  it('that is encoded stays encoded once', async () => {
    const gzip = new Response('hello').body?.pipeThrough(new CompressionStream('gzip')) ?? null;
    const data = btoa(String.fromCharCode(...new Uint8Array(await new Response(gzip).arrayBuffer())));
    const headers: [string, string][] = [['content-encoding', 'gzip']];
    const { response } = await relayed('/', {}, { headers, body: { kind: 'base64', data } });
    expect(await response.text()).toBe('hello');
  });

  it('that never came tells the customer nothing of our inside', async () => {
    const asked = edge(`${RELAY}/s/${site}/`);
    const { id } = await peer.next('request');
    const message = 'connect ECONNREFUSED 127.0.0.1:9';
    peer.send({ type: 'error', id, error: { code: 'upstream_failed', message, retryable: true } });
    const response = await asked;
    expect(response.status).toBe(502);
    const text = await response.text();
    expect(text).not.toContain('127.0.0.1');
    expect(JSON.parse(text)).toMatchObject({
      code: 'upstream_failed',
      requestId: response.headers.get('x-request-id'),
    });
  });

  it('of an orchestrator that is away is 503 with Retry-After', async () => {
    const tenant = await Tenant.create(fresh('vps'));
    const away = fresh('shop');
    await tenant.call('POST', '/sites', { body: { id: away } });
    const config = { routes: [{ path: '/*', upstream: 'http://127.0.0.1:9' }] };
    const body = { action: 'update_config', siteId: away, payload: { base: 0, config } };
    await tenant.call('POST', '/orchestrator', { body });
    const response = await edge(`${RELAY}/s/${away}/`);
    expect([response.status, Number(response.headers.get('retry-after')) > 0]).toEqual([503, true]);
  });
});
