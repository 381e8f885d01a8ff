import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freePorts, temporaryDir } from '../fixture.ts';
import { shut } from '../listen.ts';
import { listenOnLoopback } from '../ports.ts';
import { ReceivedLog } from './received.ts';
import { demoSite } from './site.ts';

const AT = new Date('2026-11-23T12:00:00.000Z');

async function upstream(logFile = join(temporaryDir(), 'log')) {
  const { upstream: port } = await freePorts();
  const servers = await listenOnLoopback(
    port,
    demoSite(new ReceivedLog(logFile), () => AT),
  );
  onTestFinished(async () => void (await Promise.all(servers.map(shut))));
  return `http://localhost:${port}`;
}

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');

/** Raw header pairs go out as they are, which fetch would not let them. */
function rawGet(url: string, headers: string[]): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const sent = request(url, { headers: ['Host', 'x', ...headers] }, async (answer) => {
    const chunks = await answer.toArray();
    resolve(JSON.parse(Buffer.concat(chunks).toString()));
  });
  sent.on('error', reject).end();
  return promise;
}

test('echo answers below any prefix, with method, URL, and the body’s length and digest', async () => {
  const url = await upstream();
  for (const path of ['/echo', '/a/b/echo/c/d?x=1&x=2', '/catalog/echo', '/webhooks/echo/order']) {
    const answer = await fetch(url + path, { method: 'PUT', body: 'lead' });
    expect(await answer.json()).toMatchObject({
      method: 'PUT',
      url: path,
      body: { length: 4, sha256: sha256('lead') },
    });
  }
});

test('echo tells headers in their order, repeated ones apart', async () => {
  const url = await upstream();
  const answer = await rawGet(`${url}/echo`, ['X-A', '1', 'x-b', '2', 'X-A', '3']);
  expect(answer).toMatchObject({
    headers: expect.arrayContaining([
      ['X-A', '1'],
      ['x-b', '2'],
      ['X-A', '3'],
    ]),
  });
});

test('bytes/:n answers n bytes, always the same', async () => {
  const url = await upstream();
  const bytes = new Uint8Array(await (await fetch(`${url}/x/bytes/100000`)).arrayBuffer());
  expect(bytes.length).toBe(100_000);
  expect([bytes[0], bytes[250], bytes[251], bytes[70_000]]).toEqual([0, 250, 0, 70_000 % 251]);
  expect((await fetch(`${url}/bytes/9999999999`)).status).toBe(400);
});

test.each([200, 204, 302, 404, 503])('status/%i answers with it', async (status) => {
  const answer = await fetch(`${await upstream()}/any/status/${status}`, { redirect: 'manual' });
  expect(answer.status).toBe(status);
});

test('slow/:ms answers no sooner', async () => {
  const url = await upstream();
  const began = performance.now();
  expect(await (await fetch(`${url}/slow/80`)).json()).toEqual({ sleptMs: 80 });
  expect(performance.now() - began).toBeGreaterThanOrEqual(79);
});

test('sse sends an event at once, and goes on until the reader leaves', async () => {
  const answer = await fetch(`${await upstream()}/catalog/sse`);
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  const reader = answer.body?.getReader();
  const first = await reader?.read();
  await reader?.cancel();
  expect(new TextDecoder().decode(first?.value)).toBe(`id: 1\ndata: {"n":1,"at":"${AT.toISOString()}"}\n\n`);
});

test('the log holds what /webhooks/* received, oldest first, and outlives a restart', async () => {
  const file = join(temporaryDir(), 'log');
  const url = await upstream(file);
  await fetch(`${url}/webhooks/a`, { method: 'POST', body: 'A', headers: { 'idempotency-key': 'r-1' } });
  await fetch(`${url}/webhooks/status/500?q`, { method: 'POST', body: 'B' });
  await fetch(`${url}/echo`, { method: 'POST', body: 'not a webhook' });
  const expected = [
    { receiptId: 'r-1', path: '/webhooks/a', sha256: sha256('A'), at: AT.toISOString() },
    { receiptId: null, path: '/webhooks/status/500', sha256: sha256('B'), at: AT.toISOString() },
  ];
  expect(await (await fetch(`${url}/_log`)).json()).toEqual(expected);
  expect(await (await fetch(`${await upstream(file)}/_log`)).json()).toEqual(expected);
});

test('the page is at the root, and its form goes to the tag', async () => {
  const answer = await fetch(await upstream());
  expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(await answer.text()).toContain('<form method="post" action="/_tag/lead">');
});
