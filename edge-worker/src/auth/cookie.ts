/**
 * The dashboard's session cookie, over HTTPS and on a developer's loopback. It is ours alone: the relay passes
 * it on in neither direction.
 */
const SESSION_COOKIES: readonly string[] = ['__Host-orc_session', 'orc_session'];

// A comma too: workerd joins repeated Cookie headers with one.
const SESSION_PAIR = new RegExp(`(^|[;,])\\s*(?:${SESSION_COOKIES.join('|')})\\s*=[^;,]*`, 'g');

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
