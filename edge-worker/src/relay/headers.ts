import { setsSession, withoutSession } from '../auth/cookie.ts';
import type { HeaderList } from '../channel/rpc.ts';

/** RFC 9110 §7.6.1, and those that only a connection's two ends may settle. */
const HOP_BY_HOP: readonly string[] = [
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Ours to say, or to work out again on the other side; a customer's own is dropped. */
const OURS: readonly string[] = [
  'content-length',
  'forwarded',
  'host',
  'traceparent',
  'tracestate',
  'true-client-ip',
  'x-actor',
  'x-real-ip',
  'x-request-id',
];
const OUR_PREFIXES: readonly string[] = ['cf-', 'x-forwarded-', 'x-orchestrator-'];

const NOT_FORWARDED = new Set([...HOP_BY_HOP, ...OURS]);
const NOT_RETURNED = new Set([...HOP_BY_HOP, 'x-request-id']);

/** The headers that a Connection header makes hop-by-hop. */
const namedBy = (connection: string | null | undefined): string[] =>
  (connection ?? '').split(',').map((name) => name.trim().toLowerCase());

/**
 * A customer's headers as they may go on, lower case. workerd has joined repeated ones with ", " already,
 * which means the same for every request header (RFC 9110 §5.3).
 */
export function forwardable(headers: Headers): HeaderList {
  const named = new Set(namedBy(headers.get('connection')));
  const kept: HeaderList = [];
  for (const [name, value] of headers) {
    if (NOT_FORWARDED.has(name) || named.has(name)) continue;
    if (OUR_PREFIXES.some((prefix) => name.startsWith(prefix))) continue;
    const passed = name === 'cookie' ? withoutSession(value) : value;
    if (passed !== undefined) kept.push([name, passed]);
  }
  return kept;
}

/** W3C Trace Context §3.2.2: version ff and ids of zeros are invalid, and only a later version may be longer. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;
const isTraceparent = (value: string): boolean =>
  TRACEPARENT.test(value) && (value.length === 55 || !value.startsWith('00'));

/** The customer's trace, if it is a valid one, or a new one that nobody has asked to be recorded (flags 00). */
export function traceOf(headers: Headers, randomHex: (bytes: number) => string): HeaderList {
  const traceparent = headers.get('traceparent');
  if (traceparent === null || !isTraceparent(traceparent)) {
    return [['traceparent', `00-${randomHex(16)}-${randomHex(8)}-00`]];
  }
  const tracestate = headers.get('tracestate');
  return [['traceparent', traceparent], ...(tracestate === null ? [] : pair('tracestate', tracestate))];
}

const pair = (name: string, value: string): HeaderList => [[name, value]];

/** An upstream's headers as the customer may have them; repeated ones, such as Set-Cookie, stay apart. */
export function returnable(headers: HeaderList, keepLength: boolean): Headers {
  const connection = headers.filter(([name]) => name.toLowerCase() === 'connection');
  const named = new Set(connection.flatMap(([, value]) => namedBy(value)));
  const kept = new Headers();
  for (const [given, value] of headers) {
    const name = given.toLowerCase();
    if (NOT_RETURNED.has(name) || named.has(name)) continue;
    if (name === 'content-length' && !keepLength) continue;
    if (name === 'set-cookie' && setsSession(value)) continue;
    kept.append(given, value);
  }
  return kept;
}
