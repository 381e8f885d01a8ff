/** What `UPSTREAM_ALLOW` is when nobody sets it: services on this machine, whatever their port. */
export const DEFAULT_ALLOW = 'http://127.0.0.1:*,http://localhost:*';

/** The upstreams that a site's config may name. It comes from the environment: remote config cannot widen it. */
export interface UpstreamAllow {
  allows(upstream: string): boolean;
  /** The list as it was given, for messages. */
  readonly text: string;
}

interface Entry {
  /** Absent: `http:` and `https:`. */
  readonly protocol: string | undefined;
  readonly hostname: string;
  /** Absent: any port. */
  readonly port: string | undefined;
}

const PORT_OF: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };
const ENTRY = /^(?:(https?:)\/\/)?(\[[0-9a-f:]+\]|[^\s/:*@?#[\]]+)(?::(\d{1,5}|\*))?\/?$/i;

function parseEntry(text: string): Entry {
  const [, scheme, host, port] = ENTRY.exec(text) ?? [];
  if (host === undefined || (scheme === undefined && port === undefined) || !URL.canParse(`http://${host}`)) {
    throw new RangeError(`"${text}" is neither an origin nor host:port`);
  }
  const protocol = scheme?.toLowerCase();
  // Through URL, so that both sides of the comparison are written the same way (case, IDN, IPv4 in hex …).
  const { hostname } = new URL(`http://${host}`);
  return { protocol, hostname, port: port === '*' ? undefined : (port ?? PORT_OF[protocol ?? '']) };
}

const matches = (entry: Entry, url: URL): boolean =>
  (entry.protocol === undefined || entry.protocol === url.protocol) &&
  entry.hostname === url.hostname &&
  (entry.port === undefined || entry.port === (url.port || PORT_OF[url.protocol]));

/**
 * Reads a comma-separated list of `http(s)://host[:port]` and `host:port`; a port may be `*`.
 * Throws `RangeError` naming the first entry that is neither.
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
  };
}
