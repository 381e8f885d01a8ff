/** Names and values in the order they came, repeated ones apart. */
export type HeaderList = [name: string, value: string][];

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
