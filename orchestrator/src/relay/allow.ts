import { parseRange, placeOf } from './addresses.ts';

/** What `UPSTREAM_ALLOW` is when nobody sets it: services on this machine, whatever their port. */
export const DEFAULT_ALLOW = 'http://127.0.0.1:*,http://localhost:*';

/** The upstreams that a site's config may name. It comes from the environment: remote config cannot widen it. */
export interface UpstreamAllow {
  allows(upstream: string): boolean;
  /**
   * May a name of the list lead to this address? Where its entries say at which addresses it is, there and nowhere
   * else. Otherwise: never to link-local, multicast and unspecified ones, where clouds keep their machines'
   * credentials; and inward (loopback and private ones) only when nobody outside can give the name an address.
   */
  permits(hostname: string, address: string): boolean;
  /** The list as it was given, for messages. */
  readonly text: string;
}

interface Entry {
  /** Absent: `http:` and `https:`. */
  readonly protocol: string | undefined;
  readonly hostname: string;
  /** Absent: any port. */
  readonly port: string | undefined;
  /** Behind "=": the addresses at which the name is. */
  readonly isAt: ((address: string) => boolean) | undefined;
}

const PORT_OF: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };
const ENTRY = /^(?:(https?:)\/\/)?(\[[0-9a-f:]+\]|[^\s/:*=@?#[\]]+)(?::(\d{1,5}|\*))?\/?(?:=(\S+))?$/i;

function parseEntry(text: string): Entry {
  const [, scheme, host, port, at] = ENTRY.exec(text) ?? [];
  if (host === undefined || (scheme === undefined && port === undefined) || !URL.canParse(`http://${host}`)) {
    throw new RangeError(`"${text}" is neither an origin nor host:port`);
  }
  const isAt = at === undefined ? undefined : parseRange(at);
  if (at !== undefined && isAt === undefined) {
    throw new RangeError(`"${text}": expected an address or a range such as 10.0.0.0/8 behind "="`);
  }
  const protocol = scheme?.toLowerCase();
  // Through URL, so that both sides of the comparison are written the same way (case, IDN, IPv4 in hex …).
  const { hostname } = new URL(`http://${host}`);
  return { protocol, hostname, port: port === '*' ? undefined : (port ?? PORT_OF[protocol ?? '']), isAt };
}

const matches = (entry: Entry, url: URL): boolean =>
  (entry.protocol === undefined || entry.protocol === url.protocol) &&
  entry.hostname === url.hostname &&
  (entry.port === undefined || entry.port === (url.port || PORT_OF[url.protocol]));

/**
 * Names to which nobody outside can give an address: those without a dot, as Docker's services and localhost, and
 * those below names that are reserved for private networks (ICANN's .internal; RFC 6761, 6762, 8375).
 */
const isOwnName = (hostname: string): boolean =>
  !hostname.includes('.') || /\.(?:internal|local|localhost|home\.arpa)$/.test(hostname);

function permits(entries: readonly Entry[], hostname: string, address: string): boolean {
  const named = entries.filter((entry) => entry.hostname === hostname.toLowerCase());
  const places = named.map(({ isAt }) => isAt).filter((isAt) => isAt !== undefined);
  if (places.length > 0) return places.some((isAt) => isAt(address));
  const place = placeOf(address);
  return place === 'outside' || (place === 'inside' && isOwnName(hostname.toLowerCase()));
}

/**
 * Reads a comma-separated list of `http(s)://host[:port]` and `host:port`; a port may be `*`. Behind `=` may be the
 * address at which a name is, or a range of them: `crm.example.com:443=10.0.0.0/8`.
 * Throws `RangeError` naming the first entry that is not so.
 */
export function parseAllow(text: string): UpstreamAllow {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map(parseEntry);
  return {
    text,
    allows: (upstream) => {
      const url = URL.parse(upstream);
      return url !== null && url.protocol in PORT_OF && entries.some((entry) => matches(entry, url));
    },
    permits: (hostname, address) => permits(entries, hostname, address),
  };
}
