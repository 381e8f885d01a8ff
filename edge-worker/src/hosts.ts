/** A request's URL, cut by hand: `new URL` would normalise the path (`a/../b`, `%2e`) and refuse odd hosts. */
export interface Address {
  readonly protocol: string;
  /** Lower case, with the port as the customer gave it. */
  readonly host: string;
  /** Path and query as the customer sent them; always begins with "/". */
  readonly url: string;
}

/**
 * workerd gives `request.url` as scheme, `Host` header and request target put together, target untouched (it
 * has dropped a fragment, and answered 400 itself to characters that no URI may have). In production
 * Cloudflare may have normalised the path before, by the zone's own setting.
 */
export function addressOf(url: string): Address {
  const start = url.indexOf('://') + 3;
  const rest = url.slice(start);
  const hostLength = rest.search(/[/?]/);
  const end = hostLength === -1 ? rest.length : hostLength;
  const target = rest.slice(end);
  return {
    protocol: url.slice(0, start - 3),
    host: rest.slice(0, end).toLowerCase(),
    url: target.startsWith('/') ? target : `/${target}`,
  };
}

/** A host without its port and without the root's dot. */
export const hostnameOf = (host: string): string => host.replace(/:\d+$/, '').replace(/\.$/, '');

export interface Hosts {
  readonly console: string;
  readonly relay: string;
}

export type Origin = 'console' | 'relay' | 'other';

/**
 * Which of our origins a Host header names. Customers' pages never share one with the console, so nothing
 * answers on both.
 */
export function originOf(host: string, hosts: Hosts): Origin {
  if (host === hosts.console) return 'console';
  return host === hosts.relay ? 'relay' : 'other';
}
