import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { expect, test } from 'vitest';
import { withSystem } from './harness/system.ts';

const system = withSystem();
const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest('hex');

test('a GET reaches the upstream with its path and query as they were sent', async () => {
  const { status, json } = await system().relay('/a/echo/%7Eb?x=1&x=2&y=%20');
  expect([status, json.method, json.url]).toEqual([200, 'GET', '/a/echo/%7Eb?x=1&x=2&y=%20']);
});

test.each(['text', 'binary'])('a POST’s %s body arrives byte by byte', async (kind) => {
  const body = kind === 'text' ? 'name=Zoë&lead=1' : randomBytes(300_000);
  const { json } = await system().relay('/echo', { method: 'POST', body });
  const bytes = Buffer.from(body);
  expect(json.body).toEqual({ length: bytes.length, sha256: sha256(bytes) });
});

test('an answer’s body comes back byte by byte, small and large', async () => {
  for (const n of [0, 1, 16_384, 16_385, 900_000]) {
    const { relayUrl, siteId } = system().file;
    const answer = await fetch(`${relayUrl}/s/${siteId}/bytes/${n}`, { signal: AbortSignal.timeout(10_000) });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    expect(sha256(bytes)).toBe(sha256(Uint8Array.from({ length: n }, (_, i) => i % 251)));
  }
});

test.each([204, 302, 404, 500])('the upstream’s status %i is the customer’s', async (status) => {
  expect((await system().relay(`/status/${status}`)).status).toBe(status);
});

test('X-Forwarded headers are ours alone, and one request id goes from edge to upstream', async () => {
  const headers = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-host': 'evil.example' };
  const answer = await system().relay('/echo', { headers });
  const seen = new Map<string, string>(
    answer.json.headers.map(([name, value]: [string, string]) => [name.toLowerCase(), value]),
  );
  expect(seen.get('x-forwarded-for')).toMatch(/^(127\.0\.0\.1|::1)$/);
  expect(seen.get('x-forwarded-host')).toBe(new URL(system().file.relayUrl).host);
  expect(seen.get('x-request-id')).toBe(answer.headers.get('x-request-id'));
  expect(seen.get('x-request-id')).toBeTruthy();
});

/** Header pairs as they are, which fetch would join. */
function rawGet(url: string, headers: string[]): Promise<{ headers: [string, string][] }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ headers: [string, string][] }>();
  const sent = request(url, { headers: ['Host', new URL(url).host, ...headers] }, async (answer) => {
    resolve(JSON.parse(Buffer.concat(await answer.toArray()).toString()));
  });
  sent.on('error', reject).end();
  return promise;
}

test('hop-by-hop headers stay behind', async () => {
  const { relayUrl, siteId } = system().file;
  const sent = ['Connection', 'X-Hop', 'X-Hop', 'secret', 'Keep-Alive', 'timeout=5', 'X-Kept', 'yes'];
  const { headers } = await rawGet(`${relayUrl}/s/${siteId}/echo`, sent);
  const names = headers.map(([name]) => name.toLowerCase());
  expect(names).toContain('x-kept');
  expect(names).not.toContain('x-hop');
  expect(names).not.toContain('keep-alive');
});

test('1,000 requests at 32 concurrent: none is lost, none gets another’s answer', async () => {
  const numbers = Array.from({ length: 1_000 }, (_, n) => n);
  const queue = numbers.values();
  const wrong: string[] = [];
  const lane = async () => {
    for (const n of queue) {
      const body = `body ${n} ${'x'.repeat(n % 700)}`;
      const { status, json } = await system().relay(`/echo/${n}`, { method: 'POST', body });
      const right = status === 200 && json.url === `/echo/${n}` && json.body.sha256 === sha256(body);
      if (!right) wrong.push(`${n}: ${status} ${JSON.stringify(json)}`);
    }
  };
  await Promise.all(Array.from({ length: 32 }, lane));
  expect(wrong).toEqual([]);
});

test('the console relays nothing, the relay has no API, and another Host is nobody’s', async () => {
  const { edgeUrl, relayUrl, siteId, adminToken } = system().file;
  expect((await fetch(`${edgeUrl}/s/${siteId}/echo`)).status).toBe(404);
  const headers = { authorization: `Bearer ${adminToken}` };
  expect((await fetch(`${relayUrl}/api/v1/sites`, { headers })).status).toBe(404);
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  request(`${edgeUrl}/health`, { headers: { host: 'unknown.example' } }, (answer) => {
    answer.resume();
    resolve(answer.statusCode);
  })
    .on('error', reject)
    .end();
  expect(await promise).toBe(404);
});

test('a site that nobody knows is 404', async () => {
  expect((await fetch(`${system().file.relayUrl}/s/no-such-site/echo`)).status).toBe(404);
});

test('of many customers at a time each gets their own answer, whoever leaves meanwhile', async () => {
  const { relayUrl, siteId } = system().file;
  const ask = async (n: number): Promise<void> => {
    // Every fourth leaves before its answer: its request may be the one that carries others' to the object.
    const leaves = n % 4 === 0;
    const signal = leaves ? AbortSignal.timeout(n % 8) : AbortSignal.timeout(10_000);
    const asked = fetch(`${relayUrl}/s/${siteId}/echo/${n}`, { signal }).then(async (answer) => {
      expect([answer.status, await answer.json()]).toMatchObject([200, { url: `/echo/${n}` }]);
    });
    if (leaves) await asked.catch((error: unknown) => expect(signal.reason).toBe(error));
    else await asked;
  };
  let next = 0;
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      while (next < 600) await ask(next++);
    }),
  );
});
