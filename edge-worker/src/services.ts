import { pooledRandomHex } from './bytes.ts';
import type { ChannelRpc } from './channel/rpc.ts';
import { Directory } from './data/directory.ts';
import { Keys } from './data/keys.ts';
import { PublicConfigCache } from './data/public-configs.ts';
import type { Env } from './env.ts';
import type { Hosts } from './hosts.ts';
import type { HubRpc } from './hub/rpc.ts';
import { Lanes } from './relay/lanes.ts';
import { RouteTables } from './relay/routes.ts';
import { Trunks } from './relay/trunks.ts';

export { CONTROL_LANE } from '@clawdbot/protocol';

/** A Durable Object that also takes upgrades, which cannot cross RPC. */
interface TakesUpgrades {
  fetch(request: Request): Promise<Response>;
}
type ChannelPort = ChannelRpc & TakesUpgrades;
type HubPort = HubRpc & TakesUpgrades;

export interface JwtConfig {
  readonly secret: string;
  readonly issuer: string;
  readonly audience: string;
}

/** What the rooms need from outside; a test gives its own. */
export interface Services {
  readonly hosts: Hosts;
  readonly jwt: JwtConfig;
  readonly db: D1Database;
  readonly assets: Env['ASSETS'];
  readonly relayRate: RateLimit | undefined;
  readonly directory: Directory;
  readonly keys: Keys;
  readonly lanes: Lanes;
  readonly routeTables: RouteTables;
  readonly trunks: Trunks;
  readonly publicConfigs: PublicConfigCache;
  channel(orchestratorId: string, lane: number): ChannelPort;
  hub(orgId: string): HubPort;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Random, as hex. */
  randomHex(bytes: number): string;
  /** Goes on after the answer is sent. */
  background(task: Promise<unknown>): void;
}

const now = () => Date.now();
/** Of this isolate, across requests: plain values only, since an I/O object belongs to one request. */
const directory = new Directory(now);
const keys = new Keys(now);
const lanes = new Lanes(now);
const routeTables = new RouteTables(now);
const trunks = new Trunks();
const publicConfigs = new PublicConfigCache(now);

/** A name's id is a keyed hash of it, which measured 3 % of a relayed request; an id, unlike a stub, may be kept. */
const channelIds = new Map<string, DurableObjectId>();
const CHANNEL_IDS_MAX = 10_000;

function channelId(namespace: Env['CHANNEL'], name: string): DurableObjectId {
  const known = channelIds.get(name);
  if (known !== undefined) return known;
  if (channelIds.size >= CHANNEL_IDS_MAX) channelIds.clear();
  const id = namespace.idFromName(name);
  channelIds.set(name, id);
  return id;
}

export function servicesOf(env: Env, ctx: Pick<ExecutionContext, 'waitUntil'>): Services {
  return {
    hosts: { console: env.CONSOLE_HOST.toLowerCase(), relay: env.RELAY_HOST.toLowerCase() },
    jwt: { secret: env.JWT_SECRET, issuer: env.JWT_ISSUER, audience: env.JWT_AUDIENCE },
    db: env.DB,
    assets: env.ASSETS,
    relayRate: env.RELAY_RATE,
    directory,
    keys,
    lanes,
    routeTables,
    trunks,
    publicConfigs,
    // The cast: a stub has the object's very methods, but its types make arrays of the tuples in them.
    channel: (orchestratorId, lane) =>
      env.CHANNEL.get(channelId(env.CHANNEL, `${orchestratorId}/${lane}`)) as unknown as ChannelPort,
    hub: (orgId) => env.HUB.getByName(orgId),
    now,
    randomHex: pooledRandomHex,
    background: (task) => ctx.waitUntil(task),
  };
}
