import { SENT_BY_HEADER } from '@clawdbot/protocol';
import { afterEach, expect, it, vi } from 'vitest';
import proxy from './index.ts';

const ENV = {
  UPSTREAM_URL: 'https://origin.example',
  TAG_URL: 'https://tag.example',
  CF_VERSION_METADATA: { id: 'v-1' },
};
const SCRIPT = '<script src="/_tag/tag.js" async></script>';
afterEach(() => vi.restoreAllMocks());

/** What the customer gets of a site whose server answers so, and what that server was asked. */
async function ask(
  answer: () => Response,
  init: RequestInit<IncomingRequestCfProperties> = {},
  path = '/a/b?c=d',
  more: { VISITOR_KEY?: string } = {},
) {
  const upstream = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => answer());
  const response = await proxy.fetch(
    new Request<unknown, IncomingRequestCfProperties>(`https://shop.example${path}`, init),
    { ...ENV, ...more },
  );
  return { response, asked: upstream.mock.calls[0]?.[0] as Request };
}
const page = (html: string) => () =>
  new Response(html, { headers: { 'content-type': 'text/html; charset=utf-8' } });

it('passes method, path, query, headers and body to the site’s server, and says for whom', async () => {
  const { asked } = await ask(() => new Response('ok'), { method: 'PUT', body: 'x', headers: { a: 'b' } });
  expect([asked.method, asked.url, await asked.text()]).toEqual([
    'PUT',
    'https://origin.example/a/b?c=d',
    'x',
  ]);
  expect(Object.fromEntries(asked.headers)).toMatchObject({
    a: 'b',
    'x-forwarded-host': 'shop.example',
    'x-forwarded-proto': 'https',
    [SENT_BY_HEADER]: 'v-1',
  });
});

it('puts the tag into a page once: at the end of its head, or of a page that has none', async () => {
  const { response } = await ask(page('<head><title>x</title></head><p>y</p>'));
  expect(await response.text()).toBe(`<head><title>x</title>${SCRIPT}</head><p>y</p>`);
  expect(await (await ask(page('<p>y</p>'))).response.text()).toBe(`<p>y</p>${SCRIPT}`);
});

it('leaves everything else as it is, and tells its version', async () => {
  const { response } = await ask(() => Response.json({ head: '<head></head>' }, { status: 404 }));
  expect([response.status, await response.text(), response.headers.get('worker-version')]).toEqual([
    ...[404, '{"head":"<head></head>"}', 'v-1'],
  ]);
});

it('keeps a redirect within the site, and leads elsewhere where the site does', async () => {
  const location = async (to: string) =>
    (await ask(() => Response.redirect(to, 302))).response.headers.get('location');
  expect(await location('https://origin.example/cart?x=1')).toBe('https://shop.example/cart?x=1');
  expect(await location('https://pay.example/')).toBe('https://pay.example/');
});

it('answers 502 while the site’s server cannot be reached', async () => {
  vi.spyOn(console, 'error').mockReturnValue();
  const { response } = await ask(() => {
    throw new TypeError('connection refused');
  });
  expect([response.status, response.headers.get('worker-version')]).toEqual([502, 'v-1']);
});

it('answers below /_tag/ what the tag does, for the site’s own pages as for no page', async () => {
  const tag = () => Response.json({}, { headers: { 'worker-version': 'tag-1' } });
  const lead = (origin: string) =>
    ask(tag, { method: 'POST', body: '{}', headers: { origin } }, '/_tag/lead?x=1');
  const { response, asked } = await lead('https://shop.example');
  expect([asked.url, asked.headers.get('origin'), response.headers.get('worker-version')]).toEqual([
    ...['https://tag.example/lead?x=1', null, 'tag-1'],
  ]);
  vi.restoreAllMocks();
  expect((await lead('https://evil.example')).asked.headers.get('origin')).toBe('https://evil.example');
});

it('tells the tag whose request it is, signed, and hands on nobody’s own word', async () => {
  const headers = { 'cf-connecting-ip': '192.0.2.7', 'x-orchestrator-visitor': 'ip=192.0.2.8' };
  const told = async (more: { VISITOR_KEY?: string }) => {
    vi.restoreAllMocks();
    const { asked } = await ask(() => new Response(), { headers }, '/_tag/lead', more);
    return asked.headers.get('x-orchestrator-visitor');
  };
  expect(await told({ VISITOR_KEY: 'key' })).toMatch(/^t=\d{10},ip=192\.0\.2\.7,v1=[0-9a-f]{64}$/);
  expect(await told({})).toBeNull();
});
