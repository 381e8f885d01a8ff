/** A deployer over a database and a Cloudflare in memory, with a clock that only waits move. */
import type { AdoptWorker, DeployWorker, RollbackWorker, Sql } from '@clawdbot/protocol';
import Sqlite from 'better-sqlite3';
import { beforeAll, beforeEach } from 'vitest';
import type { CommandContext } from '../commands/handler.ts';
import { Cancelled } from '../commands/outcome.ts';
import { createLogger } from '../log.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import { createSql } from '../store/sql.ts';
import type { NewEvent } from '../sync/index.ts';
import { fakeCloudflare, type Script } from './cloudflare.fixture.ts';
import { createDeployer, type Deployer, type DeployerOptions } from './deployer.ts';

export const commandOf = (n: number): string => `cmd_vps-1_${String(n).padStart(22, '0')}`;
export const COMMAND = commandOf(1);
/** Of the command that has put the Worker there before, where there is one. */
export const FIRST = commandOf(0);

const MODULES: Record<string, string> = {
  'src/index.js': 'export default {}',
  'lib/data.json': '{"a":1}',
  'note.txt': 'hi',
};

/** The modules' digests are their paths here. */
export const refsOf = (paths: readonly string[]): DeployWorker['modules'] =>
  paths.map((path) => ({ path, sha256: path, bytes: 1 }));

export const body = (more: Partial<DeployWorker> = {}): DeployWorker => ({
  type: 'deploy_worker',
  commandId: COMMAND,
  siteId: 'site-1',
  name: 'tracker',
  mainModule: 'src/index.js',
  compatibilityDate: '2026-01-01',
  vars: { COLOUR: 'blue' },
  modules: refsOf(Object.keys(MODULES)),
  ...more,
});

export const gradual = (more: object = {}): DeployWorker['strategy'] => ({
  type: 'gradual',
  steps: [1, 10, 100],
  bakeMs: 1_000,
  healthCheck: { path: '/', status: 200, maxErrorRate: 0 },
  ...more,
});

const rollback = (more: Partial<RollbackWorker> = {}): RollbackWorker => ({
  type: 'rollback_worker',
  commandId: commandOf(9),
  siteId: 'site-1',
  name: 'tracker',
  ...more,
});

export class Bench {
  readonly cloudflare = fakeCloudflare();
  readonly modules: Record<string, string> = { ...MODULES };
  readonly secrets: Record<string, string> = { 'shop-key': 'hidden' };
  readonly waits: number[] = [];
  readonly milestones: string[] = [];
  /** Of the milestones, in their order. */
  readonly details: (string | undefined)[] = [];
  readonly events: NewEvent[] = [];
  /** What the edge counts. */
  tallies: CommandContext['tallies'] = async () => [];
  readonly sql: Sql = createSql(new Sqlite(':memory:'));
  now = 5_000;
  record = (event: NewEvent): void => void this.events.push(event);
  /** Before each wait, so that something can happen meanwhile. */
  onWait: (ms: number) => void = () => {};
  #cancel = new AbortController();
  #stop = new AbortController();

  constructor() {
    for (const migrate of MIGRATIONS) migrate(this.sql);
  }

  deployer(more: Partial<DeployerOptions> = {}): Deployer {
    return createDeployer({
      sql: this.sql,
      cloudflare: { apiToken: 'token', accountId: 'acc' },
      now: () => this.now,
      siteVars: () => ({}),
      events: { record: (event) => this.record(event) },
      random: () => 1,
      log: createLogger({ level: 'error', production: true }),
      wait: async (ms, signal) => {
        signal.throwIfAborted();
        this.onWait(ms);
        signal.throwIfAborted();
        this.waits.push(ms);
        this.now += ms;
      },
      fetcher: this.cloudflare.fetcher,
      ...more,
    });
  }

  context(more: Partial<CommandContext> = {}): CommandContext {
    return {
      commandId: COMMAND,
      siteId: 'site-1',
      resumed: false,
      signal: AbortSignal.any([this.#cancel.signal, this.#stop.signal]),
      stop: this.#stop.signal,
      log: createLogger({ level: 'error', production: true }),
      progress: (milestone, detail) => {
        this.milestones.push(milestone);
        this.details.push(detail);
      },
      blob: async ({ sha256 }) => new TextEncoder().encode(this.modules[sha256]),
      secret: async (name) => this.secrets[name] ?? '',
      tallies: async (ref) => this.tallies(ref),
      aside: (work) => work(),
      ...more,
    };
  }

  deploy(more: Partial<DeployWorker> = {}, context: Partial<CommandContext> = {}) {
    const given = body(more);
    return this.deployer().deploy(given, this.context({ commandId: given.commandId, ...context }));
  }

  rollback(more: Partial<RollbackWorker> = {}, context: Partial<CommandContext> = {}) {
    const given = rollback(more);
    return this.deployer().rollback(given, this.context({ commandId: given.commandId, ...context }));
  }

  adopt(more: Partial<AdoptWorker> = {}) {
    const fields = { commandId: commandOf(8), siteId: 'site-1', name: 'tracker' };
    const given: AdoptWorker = { type: 'adopt_worker', ...fields, ...more };
    return this.deployer().adopt(given, this.context({ commandId: given.commandId }));
  }

  cancel(reason = 'cancelled by an operator'): void {
    this.#cancel.abort(new Cancelled(reason));
  }

  stop(): void {
    this.#stop.abort(new Error('the process stops'));
  }

  /** Another process takes over. */
  reboot(): void {
    this.#cancel = new AbortController();
    this.#stop = new AbortController();
  }

  script(name = 'tracker'): Script {
    const script = this.cloudflare.scripts.get(name);
    if (script === undefined) throw new Error(`no script ${name}`);
    return script;
  }

  /** Versions that this command has made. */
  versionsOf(commandId: string, name = 'tracker'): string[] {
    const versions = this.cloudflare.scripts.get(name)?.versions ?? [];
    return versions.filter((v) => v.metadata.annotations['workers/tag'] === commandId).map(({ id }) => id);
  }

  /** What serves, as `version-1 100`. */
  serving(name = 'tracker'): string {
    const shares = this.cloudflare.scripts.get(name)?.deployments[0]?.versions ?? [];
    return shares.map(({ version_id, percentage }) => `${version_id} ${percentage}`).join(', ');
  }
}

export let bench: Bench;

/** Each test of the file that says so has a bench of its own. */
export function ownBench(): void {
  // The SDK takes a while to load on a busy machine: not on the first test's time.
  beforeAll(() => import('./api.ts'), 20_000);
  beforeEach(() => {
    bench = new Bench();
  });
}
