import type { RequestHead } from '@clawdbot/protocol';

export type HeaderList = RequestHead['headers'];

/** Of one connection, never passed on: RFC 9110 §7.6.1, and the older ones that proxies still meet. */
const HOP_BY_HOP = new Set([
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

/** Names that `Connection` declares to be of this connection too. */
const declared = (headers: HeaderList): Set<string> =>
  new Set(
    headers
      .filter(([name]) => name.toLowerCase() === 'connection')
      .flatMap(([, value]) => value.split(','))
      .map((name) => name.trim().toLowerCase()),
  );

/** The headers that go on to the next hop, in their order, repeated ones apart. */
export function endToEnd(headers: HeaderList, alsoDropped: readonly string[] = []): HeaderList {
  const own = declared(headers);
  return headers.filter(([name]) => {
    const lower = name.toLowerCase();
    return !HOP_BY_HOP.has(lower) && !own.has(lower) && !alsoDropped.includes(lower);
  });
}

/** Set anew for the upstream: its own host, the length of the body we send, and the one request id. */
const SET_BY_US = ['host', 'content-length', 'expect', 'x-request-id'];

export const toUpstream = ({ headers, requestId }: RequestHead): HeaderList => [
  ...endToEnd(headers, SET_BY_US),
  ['x-request-id', requestId],
];

/** undici's raw form, name and value by turns, as pairs. */
export function pairs(raw: readonly (string | Buffer)[]): HeaderList {
  const list: HeaderList = [];
  // Header bytes are read as Latin-1, which is what a Fetch ByteString holds (Fetch §2.2.2).
  for (let at = 0; at + 1 < raw.length; at += 2) list.push([text(raw[at]), text(raw[at + 1])]);
  return list;
}

const text = (part: string | Buffer | undefined): string =>
  typeof part === 'string' ? part : (part?.toString('latin1') ?? '');
