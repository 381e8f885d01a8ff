import { endToEnd, type HeaderList, type RequestHead } from '@clawdbot/protocol';

/** Set anew for the upstream: its own host, the length of the body we send, and the one request id. */
const SET_BY_US: ReadonlySet<string> = new Set(['host', 'content-length', 'expect', 'x-request-id']);

export const toUpstream = ({ headers, requestId }: RequestHead): HeaderList => [
  ...endToEnd(headers, (name) => SET_BY_US.has(name)),
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
