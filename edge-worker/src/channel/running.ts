import { matchRoute, type Route } from '@clawdbot/protocol';
import type { ConfigReports, Running } from './config-reports.ts';
import type { Configs, KnownSite } from './configs.ts';

/**
 * Which route takes a request: of the config that runs on the VPS, if this object has that generation, else of the
 * desired one. A desired one that was refused must not decide what happens to customers.
 */
export class RunningRoutes {
  readonly #configs: Pick<Configs, 'site' | 'at'>;
  readonly #reports: Pick<ConfigReports, 'running'>;
  /** Parsed once: every relayed request asks. */
  readonly #cache = new Map<string, { running: Running; generation: number; routes: readonly Route[] }>();

  constructor(configs: Pick<Configs, 'site' | 'at'>, reports: Pick<ConfigReports, 'running'>) {
    this.#configs = configs;
    this.#reports = reports;
  }

  /** @param path without query, as the customer sent it. Throws `Failure('not_found')` on a site that is not here */
  find(siteId: string, method: string, path: string): Route | undefined {
    return matchRoute(this.of(siteId), method, path);
  }

  /** All of them. Throws `Failure('not_found')`. */
  of(siteId: string): readonly Route[] {
    return this.inUse(siteId).routes;
  }

  /** With the generation whose routes they are. Throws `Failure('not_found')`. */
  inUse(siteId: string): { readonly generation: number; readonly routes: readonly Route[] } {
    const desired = this.#configs.site(siteId);
    const running = this.#reports.running(siteId);
    if (running === undefined || running.generation === desired.generation) return routesOf(desired);
    const cached = this.#cache.get(siteId);
    if (cached?.running.generation === running.generation && cached.running.digest === running.digest)
      return cached;
    // Its first config was refused: it relays nothing.
    if (running.generation === 0) return { generation: 0, routes: [] };
    const kept = this.#configs.at(siteId, running.generation);
    // Another config under this number: the object was restored, and what runs is not known here.
    if (kept?.digest !== running.digest) return routesOf(desired);
    const inUse = routesOf(kept);
    this.#cache.set(siteId, { running, ...inUse });
    return inUse;
  }
}

const routesOf = ({ generation, config }: Pick<KnownSite, 'generation' | 'config'>) => ({
  generation,
  routes: config.routes,
});
