const PREFIX = '#sign-in=';
const LOOPBACK: readonly string[] = ['127.0.0.1', 'localhost', '[::1]'];

/** The part of the browser that a sign-in link touches. */
interface Page {
  readonly location: Pick<Location, 'hash' | 'hostname' | 'pathname' | 'search'>;
  readonly history: Pick<History, 'replaceState'>;
}

/**
 * The token of a sign-in link (`/#sign-in=<jwt>`, which the sandbox prints), taken out of the address at once: it
 * must be neither bookmarked nor shared. A fragment never reaches the edge, so it is in no log. On loopback only:
 * elsewhere such a link could sign its reader in as somebody else without a word.
 */
export function takeLinkToken({ location, history }: Page): string | undefined {
  if (!location.hash.startsWith(PREFIX)) return undefined;
  const token = location.hash.slice(PREFIX.length);
  history.replaceState(null, '', location.pathname + location.search);
  return token === '' || !LOOPBACK.includes(location.hostname) ? undefined : token;
}
