/**
 * # site-tag: first-party conversion tracking for one site
 *
 *     clawctl deploy --template site-tag --site shop --var ORIGINS=https://shop.example
 *
 * and on the site's pages
 *
 *     <script src="https://…/tag.js" async></script>
 *
 * The script remembers the click that led here (gclid, fbclid, msclkid, utm_*) in a cookie of the page's own host, if
 * the visitor has consented, and gives the page `window.adsengineer.lead(form)`. A lead goes to this Worker, and from
 * here to the site's route `/webhooks/lead` at the relay; the page is told that it was taken only when the relay has it.
 * Until then the script keeps it (localStorage, a week at most), and sends it again under the same id.
 *
 * To the relay all leads come from one address, that of Cloudflare's Workers: a limit per customer in the site's config
 * counts them as one customer's, unless both sides have a secret:
 *
 *     clawctl secrets set shop VISITOR_KEY
 *     clawctl deploy --template site-tag --site shop --secret VISITOR_KEY=VISITOR_KEY …
 *     echo '{ "limits": { "customer": { "requests": 60, "periodS": 60, "secretRef": "VISITOR_KEY" } } }' | clawctl config set shop
 *
 * Then the visitor's address goes to the relay, signed, where it is counted by and goes no further. Nothing else of the
 * visitor's address and browser is passed on. Behind the template `proxy`, give that one the secret as well.
 *
 * | request         | answer                                                                                       |
 * | --------------- | -------------------------------------------------------------------------------------------- |
 * | `GET …/tag.js`  | the script, with the site's settings in it                                                   |
 * | `POST …/lead`   | JSON, text with JSON in it (beacons), or a form; 200 or 202 `{ id, state, receiptId? }`       |
 * | `GET …/health`  | 200 `{ status, siteId, version, settings }`, or 500 and what is wrong with its variables      |
 *
 * Each answer names the version that gave it, in `Worker-Version`. Any prefix goes before these paths, so that the
 * Worker can be a route of the site's own host (`shop.example/_tag/*`).
 *
 * | variable     |                                                                                                 |
 * | ------------ | ----------------------------------------------------------------------------------------------- |
 * | `SITE_ID`    | the site at the relay                                                                           |
 * | `RELAY_URL`  | `https://relay.example.com`: leads go to `/s/<SITE_ID>/webhooks/lead` there                     |
 * | `EDGE_URL`   | the console's address, where the public part of the site's config is                            |
 * | `ORIGINS`    | origins whose pages may send leads, comma-separated; beside them this Worker's own              |
 * | `VISITOR_KEY`| a secret, if there is one: with which leads say whose they are                                  |
 * | `CONSENT`    | `required` (nothing is remembered before the visitor agrees) or `implied`; what the config says in `public.tag.consent` goes before it, within seconds and without a deployment |
 */
import SNIPPET from './snippet/main.ts?script';
import { createTag, type Tag } from './tag.ts';
import { readVariables, type Variables } from './variables.ts';

/** Of this isolate, so that what is known of the config outlives a request. */
let tag: Tag | undefined;

const problem = (detail: string): Response =>
  Response.json({ status: 'unhealthy', detail }, { status: 500, headers: { 'cache-control': 'no-store' } });

function answer(request: Request, env: Variables, ctx: ExecutionContext): Response | Promise<Response> {
  if (tag === undefined) {
    const read = readVariables(env);
    if (!read.ok) return problem(read.detail);
    tag = createTag({
      ...read.variables,
      snippet: SNIPPET,
      fetcher: (input, init) => fetch(input, init),
      shelf: () => caches.default,
      now: () => Date.now(),
    });
  }
  return tag(request, (task) => ctx.waitUntil(task));
}

export default {
  async fetch(request, env, ctx) {
    const response = await answer(request, env, ctx);
    response.headers.set('worker-version', env.CF_VERSION_METADATA?.id ?? '');
    // Nothing here is for search engines.
    response.headers.set('x-robots-tag', 'noindex');
    return response;
  },
} satisfies ExportedHandler<Variables>;
