import { CALL_DEADLINE_MS, CONTROL_LANE, matchRoute, pathOf } from '@clawdbot/protocol';
import { ask } from '../ask.ts';
import type { RelayCall, SiteRoutes } from '../channel/relay-rpc.ts';
import type { ChannelRpc } from '../channel/rpc.ts';
import { Cache } from '../data/cache.ts';
import type { SiteEntry } from '../data/directory.ts';
import { preferred } from './lanes.ts';

/** A site's routes, and the lanes of its orchestrator in the order in which this site's requests prefer them. */
export interface RouteTable extends SiteRoutes {
  readonly order: readonly number[];
}

/**
 * After ten idle seconds a table is not believed any more: a route that was given a queue meanwhile would have its
 * requests sent past it. Lane 0's object, which needs no table, takes the next request, and the table is loaded
 * behind it.
 */
const TIMES = { freshMs: 10_000, idleMs: 10_000, absentMs: 2_000, faultMs: 24 * 60 * 60_000 };
/** At most 200 routes of some 300 bytes each: in the worst case half of the isolate's 128 MB, usually 1 MB. */
const ENTRIES_MAX = 1_000;

interface TableServices {
  channel(orchestratorId: string, lane: number): Pick<ChannelRpc, 'routes'>;
  background(task: Promise<unknown>): void;
}
type SiteKey = Pick<SiteEntry, 'siteId' | 'orchestratorId'>;

/** Per isolate: what lane 0's objects say of sites' routes, so that a request need not ask to choose its lane. */
export class RouteTables {
  readonly #cache: Cache<RouteTable>;

  constructor(now: () => number) {
    this.#cache = new Cache({ ...TIMES, entriesMax: ENTRIES_MAX, now });
  }

  /** What is known without waiting: undefined until it was loaded, which happens behind the answer. */
  known(site: SiteKey, services: TableServices): RouteTable | undefined {
    return this.#cache.peek(keyOf(site), sourceOf(site, services));
  }

  /** Loaded first, if it must be. Throws `Failure` when lane 0's object does not answer. */
  get(site: SiteKey, services: TableServices): Promise<RouteTable | undefined> {
    return this.#cache.get(keyOf(site), sourceOf(site, services));
  }
}

/** A site that has moved has a table of its own there. */
const keyOf = ({ orchestratorId, siteId }: SiteKey): string => `${orchestratorId}/${siteId}`;

const sourceOf = ({ siteId, orchestratorId }: SiteKey, { channel, background }: TableServices) => ({
  background,
  load: async (): Promise<RouteTable> => {
    const table = await ask(channel(orchestratorId, CONTROL_LANE).routes(siteId));
    return { ...table, order: preferred(siteId, table.lanes) };
  },
});

/** On any lane, within the route's own deadline. */
export interface FreePassage {
  readonly anyLane: true;
  readonly deadlineMs: number;
}
/** How a request may be carried: like that, or on lane 0 alone. */
type Passage = FreePassage | { readonly anyLane: false };

/** A request that no route takes is the orchestrator's to refuse, on whichever lane. */
export function passageOf(
  { isPaused, lanes, routes }: SiteRoutes,
  { method, url }: Pick<RelayCall, 'method' | 'url'>,
): Passage {
  // Lane 0's object says that the site is paused, and answers browsers that ask what they may send.
  if (isPaused || lanes === 1 || method === 'OPTIONS') return { anyLane: false };
  const route = matchRoute(routes, method, pathOf(url));
  if (route?.anyLane === false) return { anyLane: false };
  return { anyLane: true, deadlineMs: route?.timeoutMs ?? CALL_DEADLINE_MS };
}
