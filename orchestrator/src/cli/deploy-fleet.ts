import {
  type Command,
  counted,
  type DeployPayload,
  deployPayload,
  deployResult,
  explain,
  isFinal,
} from '@clawdbot/protocol';
import { readChange } from './config.ts';
import { insist } from './confirm.ts';
import { payloadOf, sayUnheard, type WorkerOptions, workerOf } from './deploy.ts';
import { type Desk, show } from './desk.ts';
import { Unreachable } from './edge.ts';
import { CliError, messageOf, table } from './io.ts';
import { labelFilter } from './sites.ts';

export interface FleetOptions extends WorkerOptions {
  /** None: every site, which is asked about. */
  readonly label: readonly string[];
  readonly yes?: true;
  /** Deployments begun in a minute, at most. */
  readonly rate: number;
  /** Deployments that have not ended, at most. */
  readonly atOnce: number;
  /** Nothing more is begun when so many have failed, … */
  readonly abortMin: number;
  /** … and they are more than this share of those that have ended. */
  readonly abortShare: number;
  /** Of an earlier run that was broken off: what it has begun is followed, not begun again. */
  readonly resume?: string;
}

/** What became of one site. */
interface Outcome {
  readonly siteId: string;
  readonly state: Command['state'] | 'refused';
  readonly proof?: string;
  readonly why?: string;
}

const POLL_MS = 500;
const MINUTE_MS = 60_000;
/** An orchestrator that is away must not keep the others waiting for ever. */
const EXPIRES_IN_MS = 60 * MINUTE_MS;
/** An edge that is away for a while has ended no deployment: so long it is asked again. */
const AWAY_MS_MAX = 10 * MINUTE_MS;

/** Deploys a Worker of its own to every site with these labels. Throws `CliError`. */
export async function deployFleet(
  desk: Desk,
  path: string | undefined,
  options: FleetOptions,
): Promise<void> {
  const payload = await payloads(desk, path, options);
  const sites = await sitesOf(desk, options.label);
  for (const siteId of sites) payload(siteId);
  const first = payload(sites[0] ?? '');
  if (sites.length > 1) checkApart(first, payload(sites[1] ?? ''));
  if (options.label.length === 0 && options.yes !== true) await agree(desk, path, sites.length);
  const id = options.resume ?? desk.io.newId();
  desk.io.err(`${counted(sites.length, 'site')}; if this is broken off, go on with --resume ${id}`);
  summarize(desk, sites, await new Fleet(desk, id, options).run(sites, payload));
}

async function agree(desk: Desk, path: string | undefined, count: number): Promise<void> {
  const all = count === 1 ? 'the only site' : `all ${count} sites`;
  const refusal = `without --label this deploys to ${all}: say --yes if you mean it`;
  await insist(desk, `Deploy to ${all}?`, refusal, path !== '-');
}

/** What two sites cannot both have. */
function checkApart(one: DeployPayload, other: DeployPayload): void {
  if (one.name === other.name)
    throw new CliError('every site would get a Worker of the same name: put {site} into the name');
  const taken = [...(other.routes ?? []), ...(other.customDomains ?? [])];
  const both = [...(one.routes ?? []), ...(one.customDomains ?? [])].find((at) => taken.includes(at));
  if (both !== undefined)
    throw new CliError(
      `every site’s Worker would be at ${both}: put {site} into --route and --domain, or leave those of wrangler’s config out with --skip routes`,
    );
}

/** What each site gets: `{site}` in a payload's file and in an option is the site's id. */
async function payloads(
  desk: Desk,
  path: string | undefined,
  options: FleetOptions,
): Promise<(siteId: string) => DeployPayload> {
  if (path === '-' || path?.endsWith('.json')) {
    checkAlone(options);
    const text = JSON.stringify(await readChange(path, desk.io));
    return (siteId) => parsed(text.replaceAll('{site}', siteId));
  }
  const worker = await workerOf(path, options);
  sayUnheard(desk, worker.project);
  return (siteId) => {
    const own: WorkerOptions = JSON.parse(JSON.stringify(options).replaceAll('{site}', siteId));
    return { expiresInMs: EXPIRES_IN_MS, ...payloadOf(worker, siteId, own, desk) };
  };
}

/** A payload says all of itself. */
function checkAlone(options: FleetOptions): void {
  const { var: vars, secret, binding, route, domain, compatibilityFlag, skip } = options;
  const { template, name, main, compatibilityDate, dispatchNamespace, steps, check, checkStatus } = options;
  const lists = [vars, secret, binding, route, domain, compatibilityFlag, skip];
  const others = [template, name, main, compatibilityDate, dispatchNamespace, steps, check, checkStatus];
  if (lists.some(({ length }) => length > 0) || others.some((given) => given !== undefined))
    throw new CliError('a payload’s file says all of the Worker: put what the options say into the file');
}

function parsed(text: string): DeployPayload {
  const payload = deployPayload.safeParse(JSON.parse(text));
  if (!payload.success) throw new CliError(explain(payload.error));
  return { expiresInMs: EXPIRES_IN_MS, ...payload.data };
}

async function sitesOf({ edge }: Desk, labels: readonly string[]): Promise<string[]> {
  const sites = await edge.allSites(labels.map(labelFilter));
  if (sites.length === 0)
    throw new CliError(labels.length === 0 ? 'there is no site' : 'no site has these labels');
  return sites.map(({ id }) => id);
}

/** Many deployments, some at a time: no more are begun once too many have failed. */
class Fleet {
  readonly #desk: Desk;
  readonly #id: string;
  readonly #options: FleetOptions;
  readonly #outcomes: Outcome[] = [];
  #nextAt = 0;
  #isLost = false;

  constructor(desk: Desk, id: string, options: FleetOptions) {
    this.#desk = desk;
    this.#id = id;
    this.#options = options;
  }

  /** @returns of those that were begun, in the order of their ends */
  async run(sites: readonly string[], payload: (siteId: string) => DeployPayload): Promise<Outcome[]> {
    const left = [...sites];
    const lane = async (): Promise<void> => {
      for (let siteId = left.shift(); siteId !== undefined; siteId = left.shift()) {
        await this.#turn();
        if (this.#isAborted || this.#isLost) return;
        this.#ended(await this.#one(siteId, payload(siteId)));
      }
    };
    await Promise.all(Array.from({ length: this.#options.atOnce }, lane));
    return this.#outcomes;
  }

  get #isAborted(): boolean {
    const { abortMin, abortShare } = this.#options;
    const failed = this.#outcomes.filter(({ state }) => state !== 'succeeded').length;
    return failed >= abortMin && failed / this.#outcomes.length > abortShare;
  }

  async #turn(): Promise<void> {
    const { io } = this.#desk;
    const at = Math.max(io.now(), this.#nextAt);
    this.#nextAt = at + MINUTE_MS / this.#options.rate;
    if (at > io.now()) await io.wait(at - io.now());
  }

  async #one(siteId: string, payload: DeployPayload): Promise<Outcome> {
    const { edge, io } = this.#desk;
    try {
      const key = `fleet-${this.#id}-${siteId}`;
      const { commandId } = await this.#patiently(() =>
        edge.submit({ action: 'deploy_worker', siteId, payload }, key),
      );
      const look = () => this.#patiently(() => edge.command(commandId));
      let command = await look();
      while (!isFinal(command.state)) {
        await io.wait(POLL_MS);
        command = await look();
      }
      const proof = deployResult.safeParse(command.result).data?.proof;
      const why = command.error?.message ?? command.reason;
      return { siteId, state: command.state, ...(proof && { proof }), ...(why !== undefined && { why }) };
    } catch (error) {
      // Of this one nothing is known: no more are begun, and all can be gone on with by --resume.
      this.#isLost ||= error instanceof Unreachable;
      if (this.#isLost) throw error;
      return { siteId, state: 'refused', why: messageOf(error) };
    }
  }

  /** Throws `Unreachable` when the edge has not answered for ten minutes. */
  async #patiently<T>(ask: () => Promise<T>): Promise<T> {
    const { io } = this.#desk;
    const until = io.now() + AWAY_MS_MAX;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof Unreachable) || io.now() >= until) throw error;
        await io.wait(POLL_MS);
      }
    }
  }

  #ended(outcome: Outcome): void {
    const { siteId, state, proof, why } = outcome;
    this.#outcomes.push(outcome);
    this.#desk.io.err([siteId, state, proof, why].filter(Boolean).join('  '));
  }
}

/** Throws `CliError` unless every site has its Worker. */
function summarize(desk: Desk, sites: readonly string[], outcomes: readonly Outcome[]): void {
  const count = (is: (outcome: Outcome) => boolean): number => outcomes.filter(is).length;
  const deployed = count(({ state }) => state === 'succeeded');
  const summary = {
    sites: sites.length,
    deployed,
    observed: count(({ proof }) => proof === 'observed'),
    failed: outcomes.length - deployed,
    notBegun: sites.length - outcomes.length,
  };
  const troubled = outcomes.filter(({ state }) => state !== 'succeeded');
  show(desk, { ...summary, outcomes }, () =>
    [
      `${deployed} of ${counted(summary.sites, 'site')} deployed, ${summary.observed} of them observed; ${summary.failed} failed, ${summary.notBegun} not begun`,
      ...(troubled.length === 0
        ? []
        : [table(troubled.map(({ siteId, state, why = '' }) => [siteId, state, why]))]),
    ].join('\n'),
  );
  if (summary.notBegun > 0) throw new CliError('too many have failed: the others were not begun');
  if (summary.failed > 0)
    throw new CliError(`${counted(summary.failed, 'site has', 'sites have')} not got it`);
}
