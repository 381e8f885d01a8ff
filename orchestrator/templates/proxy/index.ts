/**
 * # proxy: the least Worker in front of a site
 *
 *     clawctl deploy --template proxy --site shop \
 *       --var UPSTREAM_URL=https://origin.shop.example --var TAG_URL=https://tag.shop.example/tag.js
 *
 * Passes every request to the site's own server, and puts the site's tag (the template `site-tag`) into its pages. A page
 * whose content security policy does not allow the script's address goes on without it.
 *
 * | variable       |                                                                                   |
 * | -------------- | --------------------------------------------------------------------------------- |
 * | `UPSTREAM_URL` | the site's server, `https://origin.shop.example`                                  |
 * | `TAG_URL`      | the script: an address, or a path of the site's own host, such as `/_tag/tag.js`   |
 *
 * Each answer names the version that gave it, in `Worker-Version`.
 */
interface Env {
  readonly UPSTREAM_URL: string;
  readonly TAG_URL: string;
  readonly CF_VERSION_METADATA?: { readonly id: string };
}

const VERSION_HEADER = 'worker-version';

async function pass(request: Request, { UPSTREAM_URL, TAG_URL }: Env): Promise<Response> {
  const asked = new URL(request.url);
  const upstream = new URL(UPSTREAM_URL).origin;
  const passed = new Request(upstream + asked.pathname + asked.search, request);
  passed.headers.set('x-forwarded-host', asked.host);
  passed.headers.set('x-forwarded-proto', asked.protocol.slice(0, -1));
  const answer = await fetch(passed, { redirect: 'manual' });
  if (answer.webSocket !== null) return answer;
  const own = new Response(answer.body, answer);
  const location = own.headers.get('location');
  if (location?.startsWith(`${upstream}/`))
    own.headers.set('location', asked.origin + location.slice(upstream.length));
  return isPage(own) ? withTag(own, TAG_URL) : own;
}

const isPage = ({ headers }: Response): boolean =>
  headers.get('content-type')?.toLowerCase().startsWith('text/html') ?? false;

/** At the end of the page's head, or of a page that has none. */
function withTag(page: Response, tagUrl: string): Response {
  const script = `<script src="${tagUrl.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}" async></script>`;
  let isIn = false;
  const put = (place: { append(content: string, options: { html: boolean }): unknown }) => {
    if (!isIn) place.append(script, { html: true });
    isIn = true;
  };
  return new HTMLRewriter().on('head', { element: put }).onDocument({ end: put }).transform(page);
}

export default {
  async fetch(request, env) {
    const response = await pass(request, env).catch((error: unknown) => {
      console.error('the site’s server did not answer', error);
      return new Response('The site does not answer. Try again in a moment.\n', { status: 502 });
    });
    if (response.webSocket === null) response.headers.set(VERSION_HEADER, env.CF_VERSION_METADATA?.id ?? '');
    return response;
  },
} satisfies ExportedHandler<Env>;
