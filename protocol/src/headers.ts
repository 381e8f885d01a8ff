/** Names and values in the order they came, repeated ones apart. */
export type HeaderList = [name: string, value: string][];

/**
 * In which a site's own Worker tells the relay whose request it passes on: `t=<Unix seconds>,ip=<address>,v1=<hex>`, where
 * `v1` is the HMAC-SHA256 of `<t>.<address>` with a secret of the site (`limits.customer.secretRef` in its config). Cloudflare
 * gives a Worker's request to another zone the address of all Workers as `CF-Connecting-IP`:
 * https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-connecting-ip-in-worker-subrequests
 * The relay counts by it and keeps it to itself. In lower case; the templates have it too.
 */
export const VISITOR_HEADER = 'x-orchestrator-visitor';

/** Of one connection, never passed on: RFC 9110 §7.6.1, and the older ones that proxies still meet. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Names that `Connection` declares to be of this connection too; most messages declare none. */
function declared(headers: HeaderList): ReadonlySet<string> {
  let names: Set<string> | undefined;
  for (const [name, value] of headers) {
    if (name.length !== 'connection'.length || name.toLowerCase() !== 'connection') continue;
    names ??= new Set();
    for (const each of value.split(',')) names.add(each.trim().toLowerCase());
  }
  return names ?? NONE;
}
const NONE: ReadonlySet<string> = new Set();

/** The headers that go on to the next hop, but for those that `dropped` names (in lower case). */
export function endToEnd(headers: HeaderList, dropped: (name: string) => boolean): HeaderList {
  const own = declared(headers);
  return headers.filter(([name]) => {
    const lower = name.toLowerCase();
    return !HOP_BY_HOP.has(lower) && !own.has(lower) && !dropped(lower);
  });
}
