import {
  digestOf,
  EMPTY_CONFIG,
  type LaneStatus,
  type OrchestratorHealth,
  type SiteConfig,
  type SiteStatus,
  type Status,
  type StatusReport,
  type TunnelStatus,
  type WorkerCheck,
  type WorkerStatus,
} from '@clawdbot/protocol';
import type { LinkState } from '../link/state.ts';
import type { StorageState } from '../store/index.ts';

/** Where the facts come from; each is asked anew whenever a status is built. */
export interface StatusSources {
  readonly orchestratorId: string;
  /** Of the software. */
  readonly version: string;
  readonly lanes: number;
  /** Beyond lane 0. */
  readonly otherLanes: () => LaneStatus[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly startedAt: number;
  readonly channel: () => LinkState;
  readonly rttMs: () => number | undefined;
  readonly queues: () => Status['queues'];
  readonly workers: (siteId?: string) => WorkerStatus[];
  /** The latest looks at a Worker, the newest first. */
  readonly checks: (worker: string) => WorkerCheck[];
  readonly settings: {
    configOf(siteId: string): SiteConfig | undefined;
    statusOf(siteId: string): SiteStatus | undefined;
    statuses(): SiteStatus[];
  };
  readonly tunnel: () => TunnelStatus;
  readonly storage: () => StorageState;
  /** What of the edge's logs is lost for good. */
  readonly lost: () => { readonly at: number; readonly entries: number } | undefined;
}

/** Whether work can be taken; `reason` says why not. */
type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** Everything this orchestrator says of itself, in each of its shapes. */
export interface Reporter {
  /** The frame that goes to the edge unasked. */
  status(): Status;
  /** The answer to `get_status`. */
  report(siteId: string): Promise<StatusReport>;
  /** `GET /health`. */
  health(): OrchestratorHealth;
  /** `GET /ready`. */
  readiness(): Readiness;
}

export function createReporter(sources: StatusSources): Reporter {
  const { orchestratorId, version, lanes, now, startedAt, settings } = sources;
  const uptimeS = (): number => Math.max(0, (now() - startedAt) / 1_000);
  return {
    status: () => ({
      type: 'status',
      at: now(),
      version,
      uptimeS: uptimeS(),
      memory: memory(),
      queues: sources.queues(),
      sites: settings.statuses().map(brief),
      workers: sources.workers(),
      tunnel: sources.tunnel(),
    }),
    report: async (siteId) => ({
      orchestrator: {
        id: orchestratorId,
        version,
        uptimeS: uptimeS(),
        ...session(sources.channel()),
        lanes,
        ...lanesOf('otherLanes', sources),
        ...optional('rttMs', sources.rttMs()),
        memory: memory(),
        queues: sources.queues(),
      },
      site: siteReport(siteId, sources),
      tunnel: sources.tunnel(),
      at: now(),
    }),
    health: () => healthOf(sources, uptimeS()),
    readiness: () => readinessOf(sources.channel(), sources.storage()),
  };
}

/**
 * Of each refusal the beginning, in `status`: all sites' together must fit one text message (F4), and `get_status`
 * has the whole sentence.
 */
const ERROR_CHARS = 200;
const cut = <A extends { error?: string | undefined }>(attempt: A | undefined): A | undefined =>
  attempt?.error === undefined ? attempt : { ...attempt, error: attempt.error.slice(0, ERROR_CHARS) };
const brief = (site: SiteStatus): SiteStatus => ({
  ...site,
  ...optional('lastAttempt', cut(site.lastAttempt)),
  ...optional('lastFailure', cut(site.lastFailure)),
});

function memory(): Status['memory'] {
  const { rss, heapUsed } = process.memoryUsage();
  return { rssBytes: rss, heapUsedBytes: heapUsed };
}

const optional = <K extends string, T>(key: K, value: T | undefined): Partial<Record<K, T>> =>
  value === undefined ? {} : ({ [key]: value } as Record<K, T>); // A computed key widens to string.

const session = (state: LinkState): Pick<StatusReport['orchestrator'], 'connectedSince' | 'fence'> =>
  state.kind === 'open' || state.kind === 'draining'
    ? { connectedSince: state.since, fence: state.fence }
    : {};

const EMPTY_DIGEST = digestOf(EMPTY_CONFIG);

function siteReport(siteId: string, { settings, workers, checks }: StatusSources): StatusReport['site'] {
  const known = settings.statusOf(siteId);
  const routes = settings.configOf(siteId)?.routes ?? [];
  return {
    generation: known?.generation ?? 0,
    digest: known?.digest ?? EMPTY_DIGEST,
    workers: workers(siteId).map((worker) => ({ ...worker, checks: checks(worker.name) })),
    routes: routes.map(({ path, upstream, offline }) => ({ path, upstream, offline })),
    ...optional('lastAttempt', known?.lastAttempt),
    ...optional('lastFailure', known?.lastFailure),
  };
}

function healthOf(sources: StatusSources, uptime: number): OrchestratorHealth {
  const state = sources.channel();
  const tunnel = sources.tunnel();
  const storage = sources.storage();
  const lost = sources.lost();
  const useless = state.kind === 'refused' || storage.state !== 'ok';
  const lanesOpen = sources.otherLanes().every((lane) => lane.state === 'open');
  const whole =
    state.kind === 'open' && lanesOpen && tunnel.state !== 'down' && sources.queues().deadLetters === 0;
  return {
    status: useless ? 'unhealthy' : whole ? 'healthy' : 'degraded',
    version: sources.version,
    uptime,
    workers: sources.workers(),
    tunnel,
    storage: storage.state === 'ok' ? { state: 'ok' } : { state: storage.state, detail: storage.detail },
    ...(lost === undefined ? {} : { lost: { at: new Date(lost.at).toISOString(), entries: lost.entries } }),
    channel: { ...channelOf(state, sources.now()), ...lanesOf('lanes', sources) },
  };
}

/** Not a word of lanes where there is but one. */
const lanesOf = <K extends string>(key: K, { otherLanes }: StatusSources) =>
  optional(key, otherLanes().length === 0 ? undefined : otherLanes());

function channelOf(state: LinkState, now: number): OrchestratorHealth['channel'] {
  const since = new Date(state.since).toISOString();
  switch (state.kind) {
    case 'connecting':
    case 'greeting':
      return { state: 'connecting', since };
    case 'open':
      return { state: 'open', since, fence: state.fence };
    case 'draining': {
      const retryInMs = Math.max(0, Math.ceil(state.redialAt - now));
      return { state: 'draining', since, fence: state.fence, reason: state.reason, retryInMs };
    }
    case 'waiting': {
      const retryInMs = Math.max(0, Math.ceil(state.retryAt - now));
      return { state: 'waiting', since, reason: state.reason, retryInMs };
    }
    case 'refused':
      return { state: 'refused', since, reason: state.reason };
    case 'stopped':
      return { state: 'stopped', since };
    default:
      return state satisfies never;
  }
}

function readinessOf(state: LinkState, storage: StorageState): Readiness {
  if (storage.state !== 'ok') return { ready: false, reason: storage.detail };
  switch (state.kind) {
    case 'open':
    // The edge goes on sending until the next session is open (PROTOCOL S14).
    case 'draining':
      return { ready: true };
    case 'connecting':
    case 'greeting':
      return { ready: false, reason: 'the channel to the edge is being opened' };
    case 'waiting':
    case 'refused':
      return { ready: false, reason: state.reason };
    case 'stopped':
      return { ready: false, reason: 'the orchestrator is stopping' };
    default:
      return state satisfies never;
  }
}
