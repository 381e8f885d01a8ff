import { describe, expect, it } from 'vitest';
import { parseAllow } from './allow.ts';
import { call, relayTo, text } from './relay.fixture.ts';

describe('what the config does not provide for', () => {
  const routes = [
    { path: '/hooks/*', methods: ['POST'], upstream: 'http://127.0.0.1:1' },
    { path: '/hooks/*', methods: ['PUT'], upstream: 'http://127.0.0.1:1' },
  ];

  it.each([
    ['a path without a route', { url: '/other' }, 404, 'not_found'],
    ['a site without a config', { siteId: 'site-2' }, 404, 'not_found'],
    ['a method no route takes', { url: '/hooks/x?y', method: 'GET' }, 405, 'method_not_allowed'],
    ['a path that leaves the prefix', { url: '/hooks/%2e%2E/admin', method: 'POST' }, 400, 'bad_request'],
  ])('%s is answered as a problem', async (_what, head, status, code) => {
    const reply = await relayTo(routes).handle(call(head));
    expect(reply.status).toBe(status);
    expect(JSON.parse(await text(reply.body))).toMatchObject({ status, code, requestId: 'r-1' });
    expect(reply.headers[0]).toEqual(['content-type', 'application/problem+json']);
    if (status === 405) expect(reply.headers[1]).toEqual(['allow', 'POST, PUT']);
  });

  it('an upstream that is not on the list any more is not called', async () => {
    const failing = relayTo([{ upstream: 'http://127.0.0.1:1' }], { allow: parseAllow('n8n:5678') }).handle(
      call(),
    );
    await expect(failing).rejects.toMatchObject({
      message: expect.stringMatching(/UPSTREAM_ALLOW/),
      details: { execution: 'not_started' },
    });
  });
});

describe('a request for the orchestrator itself', () => {
  it('is answered in this process, without any upstream', async () => {
    const relay = relayTo([], {
      self: async ({ head }) => ({ status: 200, headers: [], body: Buffer.from(head.url) }),
    });
    expect(await text((await relay.handle(call({ target: 'self', url: '/health' }))).body)).toBe('/health');
  });
});
