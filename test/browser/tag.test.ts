/** The template `site-tag` as it ships: its Worker in workerd, its script in Chromium, on a page of another origin. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { bundle } from '../../orchestrator/src/cli/bundle/bundle.ts';
import { eventually } from '../eventually.ts';
import { ACCOUNT, deployed, TOKEN, uploadForm } from '../sandbox/cloudflare/fixture.ts';
import type { RunningServer } from '../sandbox/cloudflare/server.ts';
import { startCloudflare } from '../sandbox/cloudflare/start.ts';
import { launchChromium } from './chromium.ts';

const SOURCE = join(import.meta.dirname, '../../orchestrator/templates/site-tag/index.ts');

interface Relayed {
  readonly key: string | string[] | undefined;
  readonly lead: { readonly fields: unknown; readonly attribution?: unknown; readonly page: unknown };
}

let browser: Browser;
let cloudflare: RunningServer;
let servers: Server[] = [];
let dir: string;
let shopUrl: string;
let tagUrl: string;
/** What stands in for edge and relay: whether it takes leads, what it says of consent, what it got. */
const world = { takes: true, consent: 'implied', relayed: [] as Relayed[] };

const systems: RequestListener = async (request, response) => {
  if (request.url?.endsWith('/config/public'))
    return response.end(JSON.stringify({ tag: { consent: world.consent } }));
  world.relayed.push(await relayedBy(request));
  response.writeHead(world.takes ? 202 : 503, world.takes ? { 'x-receipt-id': 'rcpt_1' } : {});
  return response.end('{"receiptId":"rcpt_1","state":"stored"}');
};
const relayedBy = async (request: IncomingMessage): Promise<Relayed> => ({
  key: request.headers['idempotency-key'],
  lead: JSON.parse(await text(request)),
});
const shop: RequestListener = (_, response) => {
  response.setHeader('content-type', 'text/html');
  response.end(`<form><input name=email value=jane@example.com><input name=pin type=password value=1></form>
    <script src="${tagUrl}/tag.js"></script>`);
};

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, 'localhost', resolve);
  await promise;
  servers.push(server);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://localhost:${address.port}`;
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tag-'));
  const [launched, started, systemsUrl, ownUrl, { modules }] = await Promise.all([
    launchChromium(),
    startCloudflare({ accountId: ACCOUNT, apiToken: TOKEN, dataDir: dir }),
    serve(systems),
    serve(shop),
    bundle(SOURCE),
  ]);
  [browser, cloudflare, shopUrl] = [launched, started, ownUrl];
  const vars = { SITE_ID: 'shop', RELAY_URL: systemsUrl, EDGE_URL: systemsUrl, ORIGINS: shopUrl };
  const bindings = Object.entries(vars).map(([name, value]) => ({ type: 'plain_text', name, text: value }));
  const main = { name: 'index.js', content: String(modules['index.js']) };
  tagUrl = await deployed(cloudflare.url, 'shop-tag', uploadForm([main], { bindings }));
});
afterAll(async () => {
  await Promise.all([browser?.close(), cloudflare?.close()]);
  for (const server of servers) server.close();
  servers = [];
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => {
  Object.assign(world, { takes: true, consent: 'implied', relayed: [] });
});

/** A visitor who has not been here before. */
async function visitor(path = '/'): Promise<Page> {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.goto(shopUrl + path);
  return page;
}
const lead = (page: Page) => page.evaluate('adsengineer.lead(document.forms[0])');
const cookies = async (page: Page) => (await page.context().cookies()).map(({ name }) => name).sort();
const relayed = (count: number) =>
  eventually(
    `${count} leads are relayed`,
    async () => world.relayed,
    ({ length }) => length >= count,
  );

test('the click that led to the site goes with the lead, from a later page too', async () => {
  const page = await visitor('/landing?gclid=abc&utm_source=google&session=secret');
  await page.goto(`${shopUrl}/form?x=1`);
  const answer = await lead(page);
  expect(answer).toEqual({ id: expect.any(String), state: 'taken', receiptId: 'rcpt_1' });
  expect(world.relayed).toMatchObject([
    {
      key: (answer as { id: string }).id,
      lead: {
        fields: { email: 'jane@example.com' },
        attribution: { gclid: 'abc', utm_source: 'google' },
        page: `${shopUrl}/form`,
      },
    },
  ]);
  expect(JSON.stringify(world.relayed), 'no password, no foreign parameter').not.toMatch(/pin|secret/);
});

test('where consent is asked for nothing is remembered before it is given, nor after it is withdrawn', async () => {
  world.consent = 'required';
  // The Worker asks for its settings every few seconds.
  await eventually(
    'the tag knows',
    async () => (await fetch(`${tagUrl}/health`)).text(),
    (said) => said.includes('required'),
  );
  const page = await visitor('/?fbclid=f1');
  expect(await page.evaluate('adsengineer.consent()')).toBe('unknown');
  await lead(page);
  expect(world.relayed[0]?.lead).not.toHaveProperty('attribution');
  expect(await cookies(page)).toEqual([]);
  expect(await page.evaluate('adsengineer.consent(true)')).toBe('granted');
  await lead(page);
  expect(world.relayed[1]?.lead).toMatchObject({ attribution: { fbclid: 'f1' } });
  expect(await page.evaluate('adsengineer.consent(false)')).toBe('denied');
  expect(await cookies(page)).toEqual(['_ae_consent']);
});

test('a lead that could not be sent is kept, and sent by the next page under the same id', async () => {
  const page = await visitor();
  await page.context().setOffline(true);
  const kept = await lead(page);
  expect(kept).toMatchObject({ state: 'kept' });
  await page.context().setOffline(false);
  await page.goto(`${shopUrl}/next`);
  await relayed(1);
  expect(world.relayed.map(({ key }) => key)).toEqual(expect.arrayContaining([(kept as { id: string }).id]));
  await eventually(
    'the outbox is empty',
    () => page.evaluate('localStorage._ae_outbox'),
    (outbox) => outbox === '[]',
  );
});

test('a relay that does not take it makes the page try again, by itself', async () => {
  world.takes = false;
  const page = await visitor();
  const kept = (await lead(page)) as { id: string; state: string };
  expect(kept.state).toBe('kept');
  world.takes = true;
  await relayed(2);
  expect(new Set(world.relayed.map(({ key }) => key))).toEqual(new Set([kept.id]));
});

test('a page that is left at once has sent its lead', async () => {
  const page = await visitor();
  await page.evaluate('void adsengineer.lead({ email: "joe@example.com" }); location.href = "/thanks"');
  await page.waitForURL('**/thanks');
  await relayed(1);
  // The next page has not heard that it was taken, and sends it again: its id says that it is the same.
  expect(new Set(world.relayed.map(({ key }) => key)).size).toBe(1);
  expect(world.relayed[0]?.lead.fields).toEqual({ email: 'joe@example.com' });
});

test('what can never be taken is refused with the reason, and not kept', async () => {
  const page = await visitor();
  expect(await page.evaluate('adsengineer.lead({ note: "x".repeat(5000) })')).toMatchObject({
    state: 'refused',
    reason: expect.stringContaining('fields.note'),
  });
  expect(await page.evaluate('localStorage._ae_outbox')).toBe('[]');
});
