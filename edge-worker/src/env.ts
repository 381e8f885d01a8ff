import type { ChannelRpc } from './channel/rpc.ts';
import type { HubRpc } from './hub/rpc.ts';

/**
 * The objects' namespaces are typed by what may be asked of them, not by their classes: the classes are given
 * this very Env, and would make a cycle.
 */
type NamespaceOf<T> = DurableObjectNamespace<T & Rpc.DurableObjectBranded>;

/** What the Worker is bound to: wrangler.jsonc. */
export interface Env {
  readonly CHANNEL: NamespaceOf<ChannelRpc>;
  readonly HUB: NamespaceOf<HubRpc>;
  /** Shared with the existing API; our tables begin with `orc_`. */
  readonly DB: D1Database;
  /** One address's requests to one site, at this location. Absent where there is none, as on bare workerd. */
  readonly RELAY_RATE?: RateLimit;
  /** The dashboard's files, as Vite built them. */
  readonly ASSETS: Pick<Fetcher, 'fetch'>;
  /** Host, with its port if it is not the scheme's own, on which the API and the dashboard answer. */
  readonly CONSOLE_HOST: string;
  /** Host on which `/s/:siteId/*` answers. */
  readonly RELAY_HOST: string;
  /** Of the existing stack's user tokens (HS256). */
  readonly JWT_SECRET: string;
  /** Encrypts secrets and stored requests: 32 bytes in base64 (cipher.ts). */
  readonly SECRETS_KEY: string;
  readonly JWT_ISSUER: string;
  readonly JWT_AUDIENCE: string;
}
