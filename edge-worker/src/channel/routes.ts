import type { Route } from '@clawdbot/protocol';
import type { Configs } from './configs.ts';
import type { RouteChoice, SiteRoutes } from './relay-rpc.ts';
import type { RunningRoutes } from './running.ts';
import type { Meta } from './store.ts';

interface RoutesParts {
  readonly meta: Meta;
  readonly configs: Pick<Configs, 'site'>;
  readonly running: RunningRoutes;
}

/** Which of a site's requests lane 0's object must see, and which may go past it. */
export class Routes {
  readonly #parts: RoutesParts;

  constructor(parts: RoutesParts) {
    this.#parts = parts;
  }

  /** Throws `Failure('not_found')` for a site that is not at this orchestrator. */
  of(siteId: string): SiteRoutes {
    const { meta, configs, running } = this.#parts;
    const { paused, config } = configs.site(siteId);
    // What is counted is counted here, all of it.
    const lanes = config.limits === undefined ? Math.max(1, meta.number('lanes')) : 1;
    return { lanes, isPaused: paused, routes: running.of(siteId).map(choiceOf) };
  }
}

/** What is stored, kept, verified or answered to browsers is this object's: its door does it (door.ts). */
const choiceOf = ({ path, methods, timeoutMs, offline, verify, cors }: Route): RouteChoice => ({
  path,
  ...(methods === undefined ? {} : { methods }),
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
  anyLane: offline === 'unavailable' && verify === undefined && cors === undefined,
});
