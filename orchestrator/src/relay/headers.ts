import { endToEnd, type HeaderList, type RequestHead } from '@clawdbot/protocol';

/** Set anew for the upstream: its own host, the length of the body we send, and the one request id. */
const SET_BY_US: ReadonlySet<string> = new Set(['host', 'content-length', 'expect', 'x-request-id']);

export const toUpstream = ({ headers, requestId, body }: RequestHead): HeaderList => [
  ...endToEnd(headers, (name) => SET_BY_US.has(name)).map(([name, value]): [string, string] => [
    name,
    asBytes(value),
  ]),
  ['x-request-id', requestId],
  // Of bytes undici says it itself; a stream without it goes in chunks.
  ...(body.kind === 'stream' && body.length !== undefined ? lengthOf(body.length) : []),
];

const lengthOf = (bytes: number): HeaderList => [['content-length', String(bytes)]];

/** undici's raw form, name and value by turns, as pairs. */
export function pairs(raw: readonly (string | Buffer)[]): HeaderList {
  const list: HeaderList = [];
  for (let at = 0; at + 1 < raw.length; at += 2) list.push([text(raw[at]), text(raw[at + 1])]);
  return list;
}

/**
 * workerd reads and writes header bytes as UTF-8, Node as Latin-1. What crosses the channel is workerd's text; here
 * it becomes the customer's own bytes again, one character each.
 */
const asBytes = (value: string): string => Buffer.from(value, 'utf8').toString('latin1');

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Header bytes as text: UTF-8, or Latin-1 when they are not (RFC 9110 §5.5). */
function text(part: string | Buffer | undefined): string {
  const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : (part ?? Buffer.alloc(0));
  try {
    return utf8.decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}
