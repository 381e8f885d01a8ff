import {
  type Command,
  type CommandState,
  type CommandType,
  type CreateSite,
  command,
  commandSummary,
  commandTaken,
  configGeneration,
  configGenerationDetail,
  type DeadLetter,
  deadLetter,
  deadLetterDetail,
  deletedSite,
  deployment,
  type EraseReceipts,
  type Evacuation,
  erasedReceipts,
  evacuation,
  event,
  type ImportSites,
  importedSites,
  listOf,
  type Orchestrator,
  type OrchestratorRequest,
  orchestrator,
  orchestratorKey,
  orchestratorResponse,
  orchestratorSummary,
  type PatchSite,
  problem,
  type Receipt,
  type ReceiptState,
  receipt,
  receiptDetail,
  type Site,
  type SiteMove,
  secretSummary,
  site,
  siteConfigState,
  siteMove,
  siteQueued,
  statusReport,
} from '@clawdbot/protocol';

import { z } from 'zod';
import { CliError, type Io } from './io.ts';
import type { Settings } from './settings.ts';

/** Repeats of a request that did not get through; safe, because commands carry an idempotency key. */
const ATTEMPTS = 3;
const PAUSE_MS = 500;
const TIMEOUT_MS = 60_000;

/** The errors of `POST /api/v1/orchestrator` have their sentence in `error`, all others in `detail`. */
const complaint = z.union([
  problem.transform(({ detail }) => detail),
  orchestratorResponse.transform(({ error }) => error),
]);

/** The edge could not be reached, or is in trouble: the same may succeed later. */
export class Unreachable extends CliError {}

/** `?…` of a list; what is undefined is left out. */
export type EventQuery = Readonly<Partial<Record<'site' | 'type' | 'after', string | undefined>>>;

/** Which commands are listed, and how many. */
export interface CommandQuery {
  readonly site?: string;
  readonly state?: CommandState;
  readonly type?: CommandType;
  readonly limit: number;
}

/** Which deployments are listed, and how many. */
export interface DeploymentQuery {
  readonly site?: string;
  readonly name?: string;
  readonly orchestrator?: string;
  readonly limit: number;
}

/** Which receipts are listed; times in milliseconds since the epoch. */
export interface ReceiptQuery {
  readonly site?: string | undefined;
  readonly state?: ReceiptState | undefined;
  readonly path?: string | undefined;
  readonly q?: string | undefined;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
}

function queryOf(given: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) if (value !== undefined) query.set(name, String(value));
  return query.toString();
}

/** The body of an answer that has none. */
const nothing = z.undefined();

const secretPath = (siteId: string, name: string): string =>
  `/sites/${encodeURIComponent(siteId)}/secrets/${encodeURIComponent(name)}`;

/** The edge's HTTP API, as far as this CLI uses it. Every method throws `CliError`. */
export class Edge {
  readonly #settings: Settings;
  readonly #io: Io;

  constructor(settings: Settings, io: Io) {
    this.#settings = settings;
    this.#io = io;
  }

  orchestrators = () => this.#get('/orchestrators?limit=200', listOf(orchestratorSummary));
  orchestrator = (id: string) => this.#get(`/orchestrators/${encodeURIComponent(id)}`, orchestrator);
  release = (id: string): Promise<Orchestrator> =>
    this.#call('POST', `/orchestrators/${encodeURIComponent(id)}/release`, orchestrator, {});
  keys = (id: string) => this.#get(`/orchestrators/${encodeURIComponent(id)}/keys`, listOf(orchestratorKey));
  revokeKey = (id: string, kid: string) =>
    this.#call(
      'POST',
      `/orchestrators/${encodeURIComponent(id)}/keys/${encodeURIComponent(kid)}/revoke`,
      listOf(orchestratorKey),
      {},
    );
  sites = () => this.#get('/sites?limit=200', listOf(site));
  site = (id: string) => this.#get(`/sites/${encodeURIComponent(id)}`, site);
  siteQueued = (id: string) => this.#get(`/sites/${encodeURIComponent(id)}/queued`, siteQueued);
  createSite = (asked: Partial<Record<keyof CreateSite, unknown>>): Promise<Site> =>
    this.#call('POST', '/sites', site, asked);
  importSites = (asked: ImportSites) => this.#call('POST', '/sites/import', importedSites, asked);
  patchSite = (id: string, change: PatchSite): Promise<Site> =>
    this.#call('PATCH', `/sites/${encodeURIComponent(id)}`, site, change);
  deleteSite = (id: string, { force, erase }: { force: boolean; erase: boolean }) => {
    const query = queryOf({ force: String(force), parcels: erase ? 'erase' : 'keep' });
    return this.#call('DELETE', `/sites/${encodeURIComponent(id)}?${query}`, deletedSite);
  };
  config = (siteId: string) => this.#get(`/sites/${encodeURIComponent(siteId)}/config`, siteConfigState);
  configHistory = (siteId: string, query: { readonly limit: number; readonly after?: string }) =>
    this.#get(
      `/sites/${encodeURIComponent(siteId)}/config/history?${queryOf({ ...query })}`,
      listOf(configGeneration),
    );
  configGeneration = (siteId: string, generation: number) =>
    this.#get(`/sites/${encodeURIComponent(siteId)}/config/history/${generation}`, configGenerationDetail);
  commands = (query: CommandQuery) => this.#get(`/commands?${queryOf({ ...query })}`, listOf(commandSummary));
  deployments = (query: DeploymentQuery) =>
    this.#get(`/deployments?${queryOf({ ...query })}`, listOf(deployment));
  command = (id: string): Promise<Command> => this.#get(`/commands/${encodeURIComponent(id)}`, command);
  cancel = (id: string): Promise<Command> =>
    this.#call('POST', `/commands/${encodeURIComponent(id)}/cancel`, command, {});

  events = (query: EventQuery & { readonly order: 'asc' | 'desc'; readonly limit: number }) =>
    this.#get(`/events?${queryOf({ ...query })}`, listOf(event));
  deadLetters = (orchestratorId: string | undefined) =>
    this.#get(`/deadletters?${queryOf({ orchestrator: orchestratorId, limit: 200 })}`, listOf(deadLetter));
  deadLetter = (id: string) => this.#get(`/deadletters/${encodeURIComponent(id)}`, deadLetterDetail);
  settleLetter = (id: string, act: 'replay' | 'drop'): Promise<DeadLetter> =>
    this.#call('POST', `/deadletters/${encodeURIComponent(id)}/${act}`, deadLetter, {});

  secrets = (siteId: string) =>
    this.#get(`/sites/${encodeURIComponent(siteId)}/secrets`, listOf(secretSummary));
  putSecret = (siteId: string, name: string, value: string): Promise<unknown> =>
    this.#call('PUT', secretPath(siteId, name), nothing, { value });
  deleteSecret = (siteId: string, name: string): Promise<unknown> =>
    this.#call('DELETE', secretPath(siteId, name), nothing);
  receipts = (query: ReceiptQuery) => this.#get(`/receipts?${queryOf({ ...query })}`, listOf(receipt));
  receipt = (id: string) => this.#get(`/receipts/${encodeURIComponent(id)}`, receiptDetail);
  redeliver = (id: string): Promise<Receipt> =>
    this.#call('POST', `/receipts/${encodeURIComponent(id)}/redeliver`, receipt, {});
  eraseReceipt = (id: string): Promise<Receipt> =>
    this.#call('POST', `/receipts/${encodeURIComponent(id)}/erase`, receipt, {});
  eraseReceipts = (asked: { [name in keyof EraseReceipts]: EraseReceipts[name] | undefined }) =>
    this.#call('POST', '/receipts/erase', erasedReceipts, asked);

  /** All of them, or those that have these labels, each as `name:value`. */
  async allSites(labels: readonly string[] = []): Promise<Site[]> {
    const sites: Site[] = [];
    const asked = labels.map((label) => `&label=${encodeURIComponent(label)}`).join('');
    for (let next: string | null = ''; next !== null; ) {
      const page: { items: Site[]; next: string | null } = await this.#get(
        `/sites?${queryOf({ limit: 200, after: next || undefined })}${asked}`,
        listOf(site),
      );
      sites.push(...page.items);
      next = page.next;
    }
    return sites;
  }

  moveSite = (siteId: string, to: string): Promise<SiteMove> =>
    this.#call('POST', `/sites/${encodeURIComponent(siteId)}/move`, siteMove, { orchestratorId: to });
  /** The last one of a site. */
  movesOf = (site: string) => this.#get(`/moves?${queryOf({ limit: 1, site })}`, listOf(siteMove));
  cancelMove = (id: string): Promise<SiteMove> =>
    this.#call('POST', `/moves/${encodeURIComponent(id)}/cancel`, siteMove, {});
  siteMove = (id: string): Promise<SiteMove> => this.#get(`/moves/${encodeURIComponent(id)}`, siteMove);
  evacuate = (id: string, to: string, after: string | undefined): Promise<Evacuation> =>
    this.#call(
      'POST',
      `/orchestrators/${encodeURIComponent(id)}/evacuate?${queryOf({ after })}`,
      evacuation,
      {
        orchestratorId: to,
      },
    );

  async status(siteId: string) {
    return this.#data(statusReport, { action: 'get_status', payload: {}, siteId });
  }

  /** Gives a command, once for each key. @returns its id and state */
  async submit(request: Exclude<OrchestratorRequest, { action: 'get_status' }>, key?: string) {
    return this.#data(commandTaken, request, key);
  }

  /** The site to use when none was named: the only one there is. */
  async siteOr(named: string | undefined): Promise<string> {
    if (named !== undefined) return named;
    const { items } = await this.sites();
    const [only, second] = items;
    if (only !== undefined && second === undefined) return only.id;
    if (only === undefined) throw new CliError('there is no site yet: make one first');
    throw new CliError(
      `there are several sites: name one of ${items.map(({ id }) => id).join(', ')} with --site`,
    );
  }

  async #data<T extends z.ZodType>(
    schema: T,
    request: OrchestratorRequest,
    key?: string,
  ): Promise<z.output<T>> {
    const { data } = await this.#call('POST', '/orchestrator', orchestratorResponse, request, key);
    return read(schema, data);
  }

  #get<T extends z.ZodType>(path: string, schema: T): Promise<z.output<T>> {
    return this.#call('GET', path, schema);
  }

  async #call<T extends z.ZodType>(
    method: string,
    path: string,
    schema: T,
    body?: object,
    key = `clawctl-${this.#io.newId()}`,
  ): Promise<z.output<T>> {
    const init = {
      method,
      headers: {
        authorization: `Bearer ${this.#settings.token}`,
        ...(body && { 'content-type': 'application/json', 'idempotency-key': key }),
      },
      ...(body && { body: JSON.stringify(body) }),
    };
    const response = await this.#send(`${this.#settings.url}/api/v1${path}`, init);
    const answer: unknown = await response.json().catch(() => undefined);
    if (response.ok) return read(schema, answer);
    const said = complaint.safeParse(answer).data ?? `it answered ${response.status}`;
    if (response.status === 429 || response.status >= 500) throw new Unreachable(said);
    throw new CliError(response.status === 401 ? `the edge refused the token: ${said}` : said);
  }

  async #send(url: string, init: RequestInit): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#io.fetcher(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
      } catch (error) {
        if (attempt === ATTEMPTS) {
          const message = `${this.#settings.url} does not answer: is the edge up, and the address right?`;
          throw new Unreachable(message, { cause: error });
        }
        await this.#io.wait(PAUSE_MS * attempt);
      }
    }
  }
}

function read<T extends z.ZodType>(schema: T, answer: unknown): z.output<T> {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new CliError('the edge answered in a way this clawctl does not know: upgrade one of them', {
    cause: parsed.error,
  });
}
