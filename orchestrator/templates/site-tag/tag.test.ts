import { expect, it } from 'vitest';
import { tagWith } from './tag.fixture.ts';
import { readVariables } from './variables.ts';

it('the script has the settings in it, and a browser that has it is told so', async () => {
  const tag = tagWith({ edge: () => Response.json({ tag: { consent: 'implied' } }) });
  const answer = await tag.ask('/tag.js');
  expect(await answer.text()).toBe('globalThis.__adsengineer={"consent":"implied"};\nrun()');
  const headers = Object.fromEntries(answer.headers);
  expect(headers).toMatchObject({
    'content-type': 'text/javascript; charset=utf-8',
    'cache-control': 'public, max-age=10',
    'cross-origin-resource-policy': 'cross-origin',
  });
  const again = await tag.ask('/tag.js', { headers: { 'if-none-match': headers['etag'] ?? '' } });
  expect([again.status, await again.text()]).toEqual([304, '']);
});

it('answers below any prefix, and nothing else', async () => {
  const tag = tagWith();
  expect((await tag.ask('/_tag/v1/tag.js')).status).toBe(200);
  expect((await tag.ask('/_tag/lead', { method: 'POST', body: '{"fields":{}}' })).status).toBe(202);
  expect((await tag.ask('/')).status).toBe(404);
  expect((await tag.ask('/tag.js', { method: 'POST' })).status).toBe(405);
});

it('health names site and version', async () => {
  expect(await (await tagWith().ask('/health')).json()).toEqual({
    ...{ status: 'healthy', siteId: 'shop', version: 'v-1', settings: { consent: 'required' } },
  });
});

const GOOD = { SITE_ID: 'shop', RELAY_URL: 'https://relay.example/', EDGE_URL: 'https://console.example' };

it('variables are read, addresses and origins tidied', () => {
  const origins = 'https://a.example, https://b.example,';
  expect(readVariables({ ...GOOD, ORIGINS: origins, CF_VERSION_METADATA: { id: 'v' } })).toEqual({
    ok: true,
    variables: {
      siteId: 'shop',
      relayUrl: 'https://relay.example',
      edgeUrl: 'https://console.example',
      origins: ['https://a.example', 'https://b.example'],
      consent: 'required',
      version: 'v',
      visitorKey: undefined,
    },
  });
});

it.each([
  [{ ...GOOD, RELAY_URL: 'relay.example' }, 'the variable RELAY_URL: expected an address'],
  [{ ...GOOD, SITE_ID: undefined }, 'the variable SITE_ID'],
  [{ ...GOOD, CONSENT: 'maybe' }, 'the variable CONSENT'],
  [{ ...GOOD, VISITOR_KEY: '' }, 'the variable VISITOR_KEY'],
])('a variable that is missing or bad is named', (env, detail) => {
  expect(readVariables(env)).toEqual({ ok: false, detail: expect.stringContaining(detail) });
});
