import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { CONSOLE, edge, RELAY } from './edge.fixture.ts';

/** Of dashboard.fixture/: a page, and a script named by its content (vitest.config.ts). */
describe('the dashboard’s files', () => {
  it('are on the console alone: no host of a customer has them', async () => {
    expect((await edge(`${CONSOLE}/`)).status).toBe(200);
    expect((await edge(`${RELAY}/`)).status).toBe(404);
    expect((await edge('https://shop.example.net/')).status).toBe(404);
    expect(env.RELAY_HOST).not.toBe(env.CONSOLE_HOST);
  });

  it('let a browser run the console’s own scripts only, and frame it nowhere', async () => {
    const { headers } = await edge(`${CONSOLE}/`);
    expect(headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
  });

  it('are kept for good when their name says their content, and asked for again when it does not', async () => {
    const cached = async (path: string) => (await edge(CONSOLE + path)).headers.get('cache-control');
    expect(await cached('/')).toBe('no-cache');
    expect(await cached('/assets/index-1a2b.js')).toContain('immutable');
  });

  it('are one page at each of the dashboard’s places, which can be linked to', async () => {
    const page = await (await edge(`${CONSOLE}/`)).text();
    for (const path of ['/sites', '/sites/corner-shop?tab=1']) {
      const place = await edge(CONSOLE + path);
      expect([place.status, await place.text()]).toEqual([200, page]);
      expect(place.headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(place.headers.get('cache-control')).toBe('no-cache');
    }
    expect((await edge(`${CONSOLE}/sites/a/b`)).status).toBe(404);
    expect((await edge(`${RELAY}/sites`)).status).toBe(404);
  });

  it('leave the console’s other paths as they are: an unknown one is a problem, and says so', async () => {
    const unknown = await edge(`${CONSOLE}/nowhere`);
    expect(unknown.status).toBe(404);
    expect(unknown.headers.get('content-type')).toBe('application/problem+json');
    expect((await edge(`${CONSOLE}/`, { method: 'POST' })).status).toBe(404);
    expect((await edge(`${CONSOLE}/health`)).headers.get('content-type')).toContain('json');
  });
});
