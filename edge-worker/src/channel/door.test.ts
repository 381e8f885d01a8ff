import type { FrameToEdge } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { hexOf } from '../bytes.ts';
import { errorOf, value } from './channel.fixture.ts';
import { builder, header } from './door.fixture.ts';

const build = builder('door');

describe('the door', () => {
  it('goes by the config that runs, not by one that was refused', async () => {
    const { call, channel, connect } = await build();
    const peer = await connect();
    const { digest } = value(await channel.config('shop'));
    const status = {
      type: 'status',
      ...{ at: 1, version: '1', uptimeS: 1, workers: [] },
      memory: { rssBytes: 1, heapUsedBytes: 1 },
      queues: { inbox: 0, outbox: 0, deadLetters: 0 },
      sites: [{ siteId: 'shop', generation: 1, digest }],
      tunnel: { state: 'not_configured' },
    } satisfies FrameToEdge;
    peer.send(status);
    await expect.poll(async () => (await channel.describe()).status?.sites.length).toBe(1);
    const config = { routes: [] };
    value(await channel.updateConfig({ siteId: 'shop', actor: 'op', payload: { base: 1, config } }));
    peer.close(1001, '');
    await expect.poll(async () => (await channel.describe()).presence.state).toBe('away');
    expect(value(await call()).status).toBe(202);
  });

  it('answers a preflight itself, and puts the route’s CORS on every answer', async () => {
    const { call } = await build({
      cors: { origins: ['https://shop.example'], headers: ['x-a'], maxAgeS: 5 },
    });
    const preflight = (origin: string) =>
      call({
        method: 'OPTIONS',
        headers: [
          ['origin', origin],
          ['access-control-request-method', 'POST'],
        ],
        body: null,
      });
    const allowed = value(await preflight('https://shop.example'));
    expect([allowed.status, ...allowed.headers]).toEqual([
      204,
      ['vary', 'Origin'],
      ['access-control-allow-origin', 'https://shop.example'],
      expect.anything(),
      ['access-control-allow-methods', 'GET, HEAD, POST, PUT, PATCH, DELETE'],
      ['access-control-allow-headers', 'x-a'],
      ['access-control-max-age', '5'],
    ]);
    expect(value(await preflight('https://evil.example')).headers).toEqual([['vary', 'Origin']]);
    const answer = value(await call({ headers: [['origin', 'https://shop.example']] }));
    expect(header(answer, 'access-control-allow-origin')).toBe('https://shop.example');
  });

  it('refuses what is too large for a route’s kind, and a site that is paused', async () => {
    const queue = await build();
    expect(value(await queue.call({ body: new Uint8Array(1024 * 1024 + 1) })).status).toBe(202);
    expect(errorOf(await queue.call({ bodyLength: 10 * 1024 * 1024 + 1 })).code).toBe('too_large');
    expect(errorOf(await queue.call({ body: new Uint8Array(10 * 1024 * 1024 + 1) })).code).toBe('too_large');
    value(await queue.channel.putSite('shop', { paused: true, orgId: 'org-1' }));
    expect(errorOf(await queue.call()).code).toBe('site_paused');
  });
});

/** A body of which this much has come, and whose end has not. */
function unfinished(bytes: number) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const sent = (async () => {
    for (let left = bytes; left > 0; left -= 65_536)
      await writer.write(new Uint8Array(Math.min(left, 65_536)));
  })();
  return { readable, sent, finish: () => writer.close() };
}

it('slow senders of large bodies hold no more than 20 MiB of the object’s memory', async () => {
  const { call } = await build({ respond: 'accepted' });
  const slow = Array.from({ length: 2 }, () => unfinished(9_500_000));
  const answers = slow.map(({ readable }) => call({ body: readable }));
  await Promise.all(slow.map(({ sent }) => sent));
  const third = unfinished(9_500_000);
  third.sent.catch(() => undefined); // It is not read to its end.
  expect(errorOf(await call({ body: third.readable })).code).toBe('overloaded');
  expect(value(await call()).status).toBe(202);
  // What has come whole is stored, and makes room.
  await Promise.all(slow.map(({ finish }) => finish()));
  expect((await Promise.all(answers)).map((answer) => value(answer).status)).toEqual([202, 202]);
  const next = unfinished(9_500_000);
  const stored = call({ body: next.readable });
  await next.sent;
  await next.finish();
  expect(value(await stored).status).toBe(202);
});

it('a limit counts by the visitor whom the site’s own Worker names under its signature, else by the sender', async () => {
  const { call, channel } = await build({}, { customer: { requests: 1, periodS: 60, secretRef: 'V' } });
  value(await channel.putSecret({ siteId: 'shop', name: 'V', value: 'a visitor key', actor: 'op' }));
  const from = async (ip: string, key = 'a visitor key') => {
    const visitor = await visitorOf(ip, key);
    const answer = await call({ headers: [['x-forwarded-for', '2a06:98c0:3600::103']], visitor });
    return answer.ok ? answer.value.status : answer.error.code;
  };
  expect([await from('192.0.2.1'), await from('192.0.2.2')]).toEqual([202, 202]);
  expect(await from('192.0.2.1')).toBe('rate_limited');
  // Whoever makes the header up is counted as who they are.
  expect([await from('192.0.2.3', 'guessed'), await from('192.0.2.4', 'guessed')]).toEqual([
    202,
    'rate_limited',
  ]);
});

/** As a Worker in front of the site says it. */
async function visitorOf(ip: string, secret: string): Promise<string> {
  const t = Math.floor(Date.now() / 1_000);
  const bytes = new TextEncoder();
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', bytes.encode(secret), algorithm, false, ['sign']);
  const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, bytes.encode(`${t}.${ip}`)));
  return `t=${t},ip=${ip},v1=${hexOf(mac)}`;
}
