import {
  type ConfigConsumer,
  type ConfigGenerationDetail,
  digestOf,
  type SiteConfig,
  type SiteConfigState,
  type WorkerStatus,
} from '@clawdbot/protocol';
import type { ConfigHistory } from './config-history.ts';
import type { ConfigReports, Running } from './config-reports.ts';
import type { Configs, KnownSite } from './configs.ts';
import type { RunningRoutes } from './running.ts';
import type { Secrets } from './secrets.ts';
import type { Carried, WorkerVars } from './worker-vars.ts';

export interface ConfigStatesParts {
  readonly configs: Pick<Configs, 'site'>;
  readonly history: Pick<ConfigHistory, 'find'>;
  readonly reports: Pick<ConfigReports, 'running' | 'lastGood' | 'lastAttempt' | 'lastFailure'>;
  readonly running: Pick<RunningRoutes, 'inUse'>;
  readonly workerVars: Pick<WorkerVars, 'of'>;
  readonly secrets: Pick<Secrets, 'list'>;
  /** The Workers that the orchestrator last told of. */
  readonly workers: () => readonly WorkerStatus[];
}

/** How a site's config stands, as operators see it: what is desired, and who uses it. */
export class ConfigStates {
  readonly #parts: ConfigStatesParts;

  constructor(parts: ConfigStatesParts) {
    this.#parts = parts;
  }

  /** Throws `Failure('not_found')` for a site that is not here. */
  of(siteId: string): SiteConfigState {
    const { configs, history, reports } = this.#parts;
    const site = configs.site(siteId);
    const desired = history.find(siteId, site.generation);
    const running = reports.running(siteId);
    const [lastGood, lastAttempt, lastFailure] = [
      reports.lastGood(siteId),
      reports.lastAttempt(siteId),
      reports.lastFailure(siteId),
    ];
    const relay = relayOf(site, desired, running);
    const worker = this.#worker(site);
    return {
      siteId,
      generation: site.generation,
      digest: digestOf(site.config),
      config: site.config,
      ...(desired === undefined ? {} : { updatedAt: desired.at, author: desired.author }),
      ...(desired?.note === undefined ? {} : { note: desired.note }),
      ...(running === undefined ? {} : { running }),
      ...(lastGood === undefined ? {} : { lastGood }),
      ...(lastAttempt === undefined ? {} : { lastAttempt }),
      ...(lastFailure === undefined ? {} : { lastFailure }),
      applied: { relay, edge: this.#edge(site, relay), ...(worker === undefined ? {} : { worker }) },
      warnings: this.warnings(siteId),
    };
  }

  /** What will not work as the desired config stands. Throws `Failure('not_found')`. */
  warnings(siteId: string): string[] {
    const { configs, secrets } = this.#parts;
    const { config } = configs.site(siteId);
    const set = new Set(secrets.list(siteId).map(({ name }) => name));
    return refsOf(config)
      .filter(({ name }) => !set.has(name))
      .map(
        ({ name, where, meanwhile }) =>
          `${where}: the secret "${name}" is not set, and until it is, ${meanwhile}: clawctl secrets set ${siteId} ${name}`,
      );
  }

  /** Its routes are of what the VPS runs; of what is desired while the VPS has never said. */
  #edge({ siteId, generation }: KnownSite, relay: ConfigConsumer): ConfigConsumer {
    const inUse = this.#parts.running.inUse(siteId);
    const { at } = relay;
    if (inUse.generation === generation || relay.state === 'applied')
      return { state: 'applied', generation: inUse.generation, ...(at === undefined ? {} : { at }) };
    return { state: 'pending', generation: inUse.generation, why: 'it follows the relay' };
  }

  #worker({ siteId, config }: KnownSite): ConfigConsumer | undefined {
    const carried = this.#parts.workerVars.of(siteId);
    if (carried.length === 0) return undefined;
    const workers = this.#parts.workers();
    const behind = carried.map((one) => whyBehind(one, config, workers)).filter((why) => why !== undefined);
    const generation = Math.min(...carried.map((one) => one.generation));
    if (behind.length > 0) return { state: 'pending', generation, why: behind.join('; ') };
    return { state: 'applied', generation, at: Math.max(...carried.map(({ at }) => at)) };
  }
}

/** A secret by its name, where it stands, and what happens without it. */
interface Ref {
  readonly name: string;
  readonly where: string;
  readonly meanwhile: string;
}

function refsOf({ routes, limits }: SiteConfig): Ref[] {
  const ofRoutes = routes.flatMap(({ verify, path }, n): Ref[] =>
    verify === undefined
      ? []
      : [
          {
            name: verify.secretRef,
            where: `routes[${n}] (${path})`,
            meanwhile: 'requests are answered 503',
          },
        ],
  );
  const name = limits?.customer?.secretRef;
  if (name === undefined) return ofRoutes;
  const meanwhile = 'all that a Worker passes on counts as one customer’s';
  return [...ofRoutes, { name, where: 'limits.customer', meanwhile }];
}

function relayOf(
  { config }: KnownSite,
  desired: ConfigGenerationDetail | undefined,
  running: Running | undefined,
): ConfigConsumer {
  const uses = running === undefined ? {} : { generation: running.generation };
  // By content: a generation that is the same as the one that runs has nothing to change there.
  if (running !== undefined && running.digest === digestOf(config)) {
    return {
      state: 'applied',
      ...uses,
      ...(desired?.appliedAt === undefined ? {} : { at: desired.appliedAt }),
    };
  }
  if (desired === undefined) return { state: running === undefined ? 'applied' : 'pending', ...uses };
  if (desired.state !== 'applied') {
    const { state, why } = desired;
    return { state, ...uses, ...(why === undefined ? {} : { why }) };
  }
  const why = 'the orchestrator took it, and does not say any more that it runs';
  return { state: 'pending', ...uses, why };
}

/** Why a Worker does not carry the desired variables, or is not known to. */
function whyBehind(
  { worker, generation, digest, versionId, proof }: Carried,
  config: SiteConfig,
  workers: readonly WorkerStatus[],
): string | undefined {
  if (digest !== digestOf(config.worker.vars))
    return `redeploy: ${worker} carries the variables of generation ${generation}`;
  const runs = workers.find(({ name }) => name === worker)?.versionId;
  if (runs !== undefined && runs !== versionId)
    return `redeploy: ${worker} runs version ${runs}, and not the one that carries them`;
  if (proof === 'accepted') return `${worker} was not seen to answer with them`;
  return undefined;
}
