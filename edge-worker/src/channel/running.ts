import { matchRoute, type Route } from '@clawdbot/protocol';
import type { Configs } from './configs.ts';
import type { State } from './state.ts';

/**
 * Which route takes a request: of the config that runs on the VPS, if this object has that generation, else of the
 * desired one. A desired one that was refused must not decide what happens to customers.
 */
export class RunningRoutes {
  readonly #configs: Pick<Configs, 'site' | 'at'>;
  readonly #state: Pick<State, 'running'>;
  /** Parsed once: every relayed request asks. */
  readonly #cache = new Map<string, { digest: string; generation: number; routes: readonly Route[] }>();

  constructor(configs: Pick<Configs, 'site' | 'at'>, state: Pick<State, 'running'>) {
    this.#configs = configs;
    this.#state = state;
  }

  /** @param path without query, as the customer sent it. Throws `Failure('not_found')` on a site that is not here */
  find(siteId: string, method: string, path: string): Route | undefined {
    return matchRoute(this.of(siteId), method, path);
  }

  /** All of them. Throws `Failure('not_found')`. */
  of(siteId: string): readonly Route[] {
    const desired = this.#configs.site(siteId);
    const running = this.#state.running(siteId);
    if (running === undefined || running.generation === desired.generation) return desired.config.routes;
    const cached = this.#cache.get(siteId);
    if (cached?.generation === running.generation && cached.digest === running.digest) return cached.routes;
    const kept = this.#configs.at(siteId, running.generation);
    // Another config under this number: the object was restored, and what runs is not known here.
    const routes = kept?.digest === running.digest ? kept.config.routes : desired.config.routes;
    this.#cache.set(siteId, { ...running, routes });
    return routes;
  }
}
