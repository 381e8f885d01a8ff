/**
 * # proxy: the least Worker in front of a site
 *
 *     clawctl deploy --template proxy --site shop \
 *       --var UPSTREAM_URL=https://origin.shop.example --var TAG_URL=https://tag.shop.example
 *
 * Passes every request to the site's own server, and puts the site's tag (the template `site-tag`) into its pages, as
 * `/_tag/tag.js` of the very same host: what it remembers is the site's own, and nothing is loaded from elsewhere.
 *
 * | variable       |                                                                  |
 * | -------------- | ---------------------------------------------------------------- |
 * | `UPSTREAM_URL` | the site's server, `https://origin.shop.example`                 |
 * | `TAG_URL`      | the Worker `site-tag`; what it answers is below `/_tag/`          |
 * | `VISITOR_KEY`  | a secret, if the tag has it: with which the tag is told whose request one is |
 *
 * Each answer names the version that gave it, in `Worker-Version`; below `/_tag/` that is the tag's.
 */
import { VISITOR_HEADER, visitorOf } from '../visitor.ts';

interface Env {
  readonly UPSTREAM_URL: string;
  readonly TAG_URL: string;
  readonly VISITOR_KEY?: string;
  readonly CF_VERSION_METADATA?: { readonly id: string };
}

const TAG_PATH = '/_tag/';
/** If the server is behind the relay, that counts by it how each version's requests go, and does not pass it on. */
const SENT_BY_HEADER = 'x-orchestrator-worker-version';
const SCRIPT = `<script src="${TAG_PATH}tag.js" async></script>`;

/** The same request at another server. */
const sentTo = (origin: string, request: Request, path: string): Request =>
  new Request(origin + path + new URL(request.url).search, request);

async function askTag(request: Request, env: Env, { origin, pathname }: URL): Promise<Response> {
  const asked = sentTo(new URL(env.TAG_URL).origin, request, pathname.slice(TAG_PATH.length - 1));
  const visitor = await visitorOf(request, env.VISITOR_KEY, Date.now());
  asked.headers.delete(VISITOR_HEADER);
  for (const [name, value] of Object.entries(visitor)) asked.headers.set(name, value);
  // The tag knows nothing of this host, whose own pages may send leads; any other page's origin is the tag's to judge.
  if (asked.headers.get('origin') === origin) asked.headers.delete('origin');
  return fetch(asked, { redirect: 'manual' });
}

async function askSite(
  request: Request,
  env: Env,
  { origin, host, protocol, pathname }: URL,
): Promise<Response> {
  const upstream = new URL(env.UPSTREAM_URL).origin;
  const asked = sentTo(upstream, request, pathname);
  asked.headers.set('x-forwarded-host', host);
  asked.headers.set('x-forwarded-proto', protocol.slice(0, -1));
  asked.headers.set(SENT_BY_HEADER, env.CF_VERSION_METADATA?.id ?? '');
  const answer = await fetch(asked, { redirect: 'manual' });
  if (answer.webSocket !== null) return answer;
  const own = new Response(answer.body, answer);
  own.headers.set('worker-version', env.CF_VERSION_METADATA?.id ?? '');
  const location = own.headers.get('location');
  if (location?.startsWith(`${upstream}/`))
    own.headers.set('location', origin + location.slice(upstream.length));
  return isPage(own) ? withTag(own) : own;
}

const isPage = ({ headers }: Response): boolean =>
  headers.get('content-type')?.toLowerCase().startsWith('text/html') ?? false;

/** At the end of the page's head, or of a page that has none. */
function withTag(page: Response): Response {
  let isIn = false;
  const put = (place: { append(content: string, options: { html: boolean }): unknown }) => {
    if (!isIn) place.append(SCRIPT, { html: true });
    isIn = true;
  };
  return new HTMLRewriter().on('head', { element: put }).onDocument({ end: put }).transform(page);
}

const away = (env: Env) => (error: unknown) => {
  console.error('the server behind this Worker did not answer', error);
  const headers = { 'worker-version': env.CF_VERSION_METADATA?.id ?? '' };
  return new Response('The site does not answer. Try again in a moment.\n', { status: 502, headers });
};

export default {
  fetch(request, env) {
    const url = new URL(request.url);
    const asked = url.pathname.startsWith(TAG_PATH) ? askTag(request, env, url) : askSite(request, env, url);
    return asked.catch(away(env));
  },
} satisfies ExportedHandler<Env>;
