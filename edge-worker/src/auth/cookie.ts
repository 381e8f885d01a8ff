import { hostnameOf } from '../hosts.ts';

/** Over HTTPS: with this prefix a browser takes it from our very host only, never from a neighbour's. */
const SECURE_COOKIE = '__Host-orc_session';
/** On a developer's loopback, where there is no HTTPS and so no `Secure`. */
const LOOPBACK_COOKIE = 'orc_session';

/**
 * The dashboard's session cookie, over HTTPS and on a developer's loopback. It is ours alone: the relay passes
 * it on in neither direction.
 */
const SESSION_COOKIES: readonly string[] = [SECURE_COOKIE, LOOPBACK_COOKIE];

// A comma too: workerd joins repeated Cookie headers with one.
const SESSION_PAIR = new RegExp(`(^|[;,])\\s*(?:${SESSION_COOKIES.join('|')})\\s*=[^;,]*`, 'g');

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/** The name that the cookie has at this URL; undefined where none may be set: plain HTTP over a network. */
function cookieName(url: string): string | undefined {
  const { protocol, host } = new URL(url);
  if (protocol === 'https:') return SECURE_COOKIE;
  return LOOPBACK.has(hostnameOf(host)) ? LOOPBACK_COOKIE : undefined;
}

/** The token that a request's session cookie holds. */
export function sessionOf({ headers, url }: Request): string | undefined {
  const name = cookieName(url);
  const pairs = (headers.get('cookie') ?? '').split(/[;,]/).map((pair) => pair.trim());
  const own = name === undefined ? undefined : pairs.find((pair) => pair.startsWith(`${name}=`));
  return own === undefined ? undefined : own.slice(own.indexOf('=') + 1);
}

/**
 * The `Set-Cookie` that begins a session, or, with an empty token, ends it; undefined where none may be set.
 *
 * @param maxAgeS seconds until the token ends
 */
export function setSession(url: string, token: string, maxAgeS: number): string | undefined {
  const name = cookieName(url);
  if (name === undefined) return undefined;
  const secure = name === SECURE_COOKIE ? '; Secure' : '';
  return `${name}=${token}; Path=/; Max-Age=${Math.max(0, maxAgeS)}; HttpOnly; SameSite=Strict${secure}`;
}

/** A Cookie header without our cookie, everything else as it was; undefined when nothing is left. */
export function withoutSession(cookie: string): string | undefined {
  const rest = cookie.replace(SESSION_PAIR, '').replace(/^[;,]\s*/, '');
  return rest === '' ? undefined : rest;
}

/**
 * Whether a Set-Cookie header would set our cookie. One without a name counts too: a browser sends its value back
 * alone, and `=orc_session=x` comes back as our cookie (RFC 6265bis §5.6).
 */
export const setsSession = (setCookie: string): boolean => {
  const [name = ''] = setCookie.replace(/^[\s=]+/, '').split('=', 1);
  return SESSION_COOKIES.includes(name.trim());
};
