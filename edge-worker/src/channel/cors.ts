import { Failure, type HeaderList, type Route } from '@clawdbot/protocol';
import type { RelayCall, RelayReply } from './relay-rpc.ts';

type Cors = NonNullable<Route['cors']>;

/** Methods a preflight is told of when the route names none. */
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
/** Browsers keep a preflight's answer for 5 s when they are not told. */
const MAX_AGE_S = 600;

const headerOf = ({ headers }: Pick<RelayCall, 'headers'>, name: string): string | undefined =>
  headers.find(([given]) => given === name)?.[1];

/** The method that a preflight asks for; undefined when the call is none (Fetch standard, "CORS-preflight request"). */
export function preflightFor(call: Pick<RelayCall, 'method' | 'headers'>): string | undefined {
  if (call.method !== 'OPTIONS' || headerOf(call, 'origin') === undefined) return undefined;
  return headerOf(call, 'access-control-request-method');
}

/** A preflight's answer, made here: an upstream that is away must not make a form unsendable. */
export function preflightReply(call: Pick<RelayCall, 'headers'>, { cors, methods }: Route): RelayReply {
  const allowed = cors === undefined ? [] : originHeaders(call, cors);
  const asked = headerOf(call, 'access-control-request-headers');
  const headers = cors?.headers?.join(', ') ?? asked;
  const granted: HeaderList = [
    ['access-control-allow-methods', methods?.join(', ') ?? METHODS],
    ...(headers === undefined ? [] : [pair('access-control-allow-headers', headers)]),
    ['access-control-max-age', String(cors?.maxAgeS ?? MAX_AGE_S)],
  ];
  return { status: 204, headers: allowed.length > 1 ? [...allowed, ...granted] : allowed, body: null };
}

/** The answer with the route's own CORS headers in place of an upstream's. */
export function withCors(call: Pick<RelayCall, 'headers'>, { cors }: Route, reply: RelayReply): RelayReply {
  if (cors === undefined) return reply;
  const own = reply.headers.filter(([name]) => name.toLowerCase() !== 'access-control-allow-origin');
  return { ...reply, headers: [...own, ...originHeaders(call, cors)] };
}

/** As `withCors`, so that a page may read that it failed, and when to try again. Throws what it is given, or that. */
export function throwWithCors(call: Pick<RelayCall, 'headers'>, { cors }: Route, thrown: unknown): never {
  if (cors === undefined || !(thrown instanceof Failure)) throw thrown;
  const { code, message, details } = thrown;
  throw new Failure(code, message, { ...details, headers: originHeaders(call, cors) });
}

/** More than `vary` only for an origin that the route allows. */
function originHeaders(call: Pick<RelayCall, 'headers'>, { origins }: Cors): HeaderList {
  const origin = headerOf(call, 'origin');
  if (origins.includes('*')) return [pair('access-control-allow-origin', '*'), EXPOSED];
  const vary = pair('vary', 'Origin');
  return origin !== undefined && origins.includes(origin)
    ? [vary, ['access-control-allow-origin', origin], EXPOSED]
    : [vary];
}

const pair = (name: string, value: string): [string, string] => [name, value];
/** So that a page's own script may tell its visitor. */
const EXPOSED = pair('access-control-expose-headers', 'X-Receipt-Id, X-Request-Id, Retry-After');
