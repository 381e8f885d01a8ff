import type { Route, SiteConfig } from '@clawdbot/protocol';
import type { Configs, KnownSite } from './configs.ts';
import type { RouteChoice, SiteRoutes } from './rpc.ts';
import type { State } from './state.ts';
import type { Meta } from './store.ts';

interface RoutesParts {
  readonly meta: Meta;
  readonly configs: Pick<Configs, 'site' | 'at'>;
  readonly state: Pick<State, 'running'>;
}

/** Which of a site's requests lane 0's object must see, and which may go past it. */
export class Routes {
  readonly #parts: RoutesParts;

  constructor(parts: RoutesParts) {
    this.#parts = parts;
  }

  /** Throws `Failure('not_found')` for a site that is not at this orchestrator. */
  of(siteId: string): SiteRoutes {
    const { meta, configs } = this.#parts;
    const site = configs.site(siteId);
    return {
      lanes: Math.max(1, meta.number('lanes')),
      isPaused: site.paused,
      routes: this.#running(site).routes.map(choiceOf),
    };
  }

  /** The config that runs on the VPS, if it is known here: the desired one may have been refused. */
  #running({ siteId, config }: KnownSite): SiteConfig {
    const { configs, state } = this.#parts;
    const running = state.running(siteId);
    return running === undefined ? config : (configs.at(siteId, running.generation)?.config ?? config);
  }
}

/** What is stored, kept or verified is this object's own: its database has the rows and the secrets. */
const choiceOf = ({ path, methods, timeoutMs, offline, verify }: Route): RouteChoice => ({
  path,
  ...(methods === undefined ? {} : { methods }),
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
  anyLane: offline === 'unavailable' && verify === undefined,
});
