import { setTimeout as pause } from 'node:timers/promises';
import {
  type AdoptWorker,
  API_CALLS_PER_WINDOW,
  API_WINDOW_S,
  type DeployResult,
  type DeployWorker,
  Failure,
  type RollbackWorker,
  type Sql,
  type WorkerStatus,
} from '@clawdbot/protocol';
import type { CommandContext } from '../commands/handler.ts';
import type { CloudflareConfig } from '../config.ts';
import type { Logger } from '../log.ts';
import type { Events } from '../sync/index.ts';
import { adopt } from './adopt.ts';
import type { Api } from './api.ts';
import type { Fetch } from './api-client.ts';
import { type BudgetShare, CallBudget } from './budget.ts';
import { checkDrift } from './drift.ts';
import { run } from './engine.ts';
import { checkOwnHere } from './owner.ts';
import type { Patience } from './patience.ts';
import { deployPlan, type Plan, rollbackPlan } from './plan.ts';
import { Records } from './record.ts';
import { SpentCalls } from './spent.ts';
import { checkNames } from './validate.ts';

export interface DeployerOptions extends Partial<Patience> {
  readonly sql: Sql;
  /** Absent: every deployment fails with `not_configured`. */
  readonly cloudflare: CloudflareConfig | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** `worker.vars` of the site's config. */
  readonly siteVars: (siteId: string) => Readonly<Record<string, string>>;
  /** Told of every deployment's stages and end. */
  readonly events: Pick<Events, 'record'>;
  readonly log: Logger;
  readonly fetcher?: Fetch;
}

/** Carries out `deploy_worker` and `rollback_worker`, and knows what it has deployed. */
export interface Deployer {
  /**
   * Uploads the modules as a version, brings the traffic to it as its strategy says, and looks whether it answers.
   * With the same command again it goes on where it was cut off: one command makes one version at most. The Worker's
   * variables are those of the site's config as it runs now, and over them the command's own. Throws `Failure`, with
   * what Cloudflare said and what was undone in its sentence.
   */
  deploy(body: DeployWorker, context: CommandContext): Promise<DeployResult>;
  /** Gives an earlier version all traffic. Throws `Failure`. */
  rollback(body: RollbackWorker, context: CommandContext): Promise<DeployResult>;
  /** Takes a Worker under management that is there already, and changes nothing of it. Throws `Failure`. */
  adopt(body: AdoptWorker, context: CommandContext): Promise<DeployResult>;
  workers(siteId?: string): WorkerStatus[];
  /** The edge has said how much of Cloudflare's API this orchestrator may use. */
  share(budget: BudgetShare): void;
  /** Looks whether what was deployed still serves. @returns whether events were recorded. Throws `LeaseLost` */
  checkDrift(signal: AbortSignal): Promise<boolean>;
  /** The site was deleted: its Workers' names are free. Or moved: they are not. In the caller's transaction. */
  release(siteId: string, isMoved: boolean): void;
}

/** Of any window's calls at most a fifth looks for drift: deployments come first. */
const fifthOf = ({ calls, windowMs }: BudgetShare): BudgetShare => ({
  calls: Math.floor(calls / 5),
  windowMs,
});

const UNCONFIGURED =
  'this orchestrator has no Cloudflare token: set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID on the VPS';

export function createDeployer(options: DeployerOptions): Deployer {
  const { sql, cloudflare, now, siteVars, events, log, ...given } = options;
  const records = new Records(sql, now, events);
  const wait = given.wait ?? waitFor;
  const whole = { calls: API_CALLS_PER_WINDOW, windowMs: API_WINDOW_S * 1_000 };
  const budget = new CallBudget(whole, now, wait, new SpentCalls(sql, now));
  const fetcher = given.fetcher ?? fetch;
  const calling = { wait, random: given.random ?? Math.random, budget };
  const driftBudget = new CallBudget(fifthOf(whole), now, wait);
  let connected: Promise<Api> | undefined;
  // The SDK takes half a second to load: the first deployment waits for it, not the start.
  const api = (config: CloudflareConfig): Promise<Api> => {
    connected ??= import('./api.ts').then(({ createApi }) => createApi(config, calling, fetcher));
    return connected;
  };
  const parts = async () => {
    if (cloudflare === undefined) throw new Failure('not_configured', UNCONFIGURED);
    return { records, api: await api(cloudflare), fetcher, now, wait };
  };
  const carryOut = async (plan: Plan, context: CommandContext): Promise<DeployResult> => {
    const engine = await parts();
    if (records.find(plan.commandId) === undefined) checkOwnHere(plan, records);
    return run(plan, context, engine);
  };
  return {
    deploy: async (body, context) => {
      const whole = { ...body, vars: { ...siteVars(body.siteId), ...body.vars } };
      checkNames(whole);
      return carryOut(deployPlan(whole), context);
    },
    rollback: (body, context) => carryOut(rollbackPlan(body), context),
    adopt: async (body, context) => adopt(body, context, await parts()),
    workers: (siteId) => records.workers(siteId),
    share: (share) => {
      budget.share = share;
      driftBudget.share = fifthOf(share);
    },
    checkDrift: async (signal) => {
      if (cloudflare === undefined) return false;
      const parts = { records, log, budget: driftBudget, api: () => api(cloudflare) };
      return checkDrift(parts, signal);
    },
    release: (siteId, isMoved) => records.release(siteId, isMoved),
  };
}

async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch((error: unknown) => {
    // The reason says who stopped it; the timer's own error does not.
    signal.throwIfAborted();
    throw error;
  });
}
