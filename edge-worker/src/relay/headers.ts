import { endToEnd, type HeaderList } from '@clawdbot/protocol';
import { setsSession, withoutSession } from '../auth/cookie.ts';

/** Ours to say, or to work out again on the other side; a customer's own is dropped. */
const OURS: ReadonlySet<string> = new Set([
  'content-length',
  'expect',
  'forwarded',
  'host',
  'traceparent',
  'tracestate',
  'true-client-ip',
  'x-actor',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-original-forwarded-for',
  'x-real-ip',
  'x-request-id',
]);
const OUR_PREFIXES: readonly string[] = ['cf-', 'x-forwarded-', 'x-orchestrator-'];

/** Some upstreams (CGI, WSGI) cannot tell `_` from `-`, and would take X_Forwarded_For for ours. */
function isOurs(given: string): boolean {
  const name = given.replaceAll('_', '-');
  return OURS.has(name) || OUR_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/**
 * A customer's headers, lower case, read once: each look into `Headers` is a call into the runtime. workerd has joined
 * repeated ones with ", " already, which means the same for every request header (RFC 9110 §5.3).
 */
export const givenIn = (headers: Headers): HeaderList => [...headers];

/** @param name in lower case */
export const headerIn = (headers: HeaderList, name: string): string | undefined =>
  headers.find(([given]) => given === name)?.[1];

/** A customer's headers as they may go on. */
export function forwardable(given: HeaderList): HeaderList {
  return endToEnd(given, isOurs).flatMap(([name, value]): HeaderList => {
    const passed = name === 'cookie' ? withoutSession(value) : value;
    return passed === undefined ? [] : [[name, passed]];
  });
}

/** W3C Trace Context §3.2.2: version ff and ids of zeros are invalid, and only a later version may be longer. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;
const isTraceparent = (value: string): boolean =>
  TRACEPARENT.test(value) && (value.length === 55 || !value.startsWith('00'));

/** The customer's trace, if it is a valid one, or a new one that nobody has asked to be recorded (flags 00). */
export function traceOf(given: HeaderList, randomHex: (bytes: number) => string): HeaderList {
  const traceparent = headerIn(given, 'traceparent');
  if (traceparent === undefined || !isTraceparent(traceparent)) {
    return [['traceparent', `00-${randomHex(16)}-${randomHex(8)}-00`]];
  }
  const tracestate = headerIn(given, 'tracestate');
  return [['traceparent', traceparent], ...(tracestate === undefined ? [] : pair('tracestate', tracestate))];
}

const pair = (name: string, value: string): HeaderList => [[name, value]];

/** An upstream's headers as the customer may have them; repeated ones, such as Set-Cookie, stay apart. */
export function returnable(headers: HeaderList, keepLength: boolean): Headers {
  const isDropped = (name: string) => name === 'x-request-id' || (name === 'content-length' && !keepLength);
  const kept = new Headers();
  for (const [name, value] of endToEnd(headers, isDropped)) {
    if (name.toLowerCase() !== 'set-cookie' || !setsSession(value)) kept.append(name, value);
  }
  return kept;
}
