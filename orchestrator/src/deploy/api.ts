import { Failure } from '@clawdbot/protocol';
import { BaseDeployments } from 'cloudflare/resources/workers/scripts/deployments';
import { BaseSubdomain } from 'cloudflare/resources/workers/scripts/subdomain';
import { BaseSubdomains } from 'cloudflare/resources/workers/subdomains';
import { createClient } from 'cloudflare/tree-shakable';
import { z } from 'zod';
import type { CloudflareConfig } from '../config.ts';
import { unlessAbsent } from './absent.ts';
import type { Ends } from './patience.ts';
import { type Calling, patiently } from './retry.ts';
import type { Traffic } from './state.ts';
import { isSame } from './traffic.ts';

const CALL_TIMEOUT_MS = 30_000;
/** Up to 10 MB over a VPS's uplink, and Cloudflare starts the Worker once before it answers. */
const UPLOAD_TIMEOUT_MS = 120_000;
/** Cloudflare deploys none older: …/workers/configuration/versions-and-deployments/rollbacks/ */
const VERSIONS_DEPLOYABLE = 100;

const annotations = z.record(z.string(), z.string()).nullish();
const versions = z.object({
  result: z.object({ items: z.array(z.object({ id: z.string(), annotations })) }),
});
const version = z.object({
  result: z.object({
    resources: z.object({ script_runtime: z.object({ migration_tag: z.string().nullish() }).optional() }),
  }),
});
const deployments = z.object({
  result: z.object({
    deployments: z.array(
      z.object({
        id: z.string(),
        annotations,
        versions: z.array(z.object({ version_id: z.string(), percentage: z.number() })),
      }),
    ),
  }),
});
const uploaded = z.object({ result: z.object({ id: z.string() }) });
const tagList = z.object({ result: z.array(z.string()) });
const inNamespace = z.object({ result: z.object({ etag: z.string().default('') }) });
/** Cloudflare's subdomain has no `url`; an API beside it that serves Workers elsewhere says where. */
const served = z.object({ url: z.url().optional() });
const subdomain = z.object({ result: served.extend({ enabled: z.boolean() }) });
const domains = z.object({ result: z.array(z.object({ hostname: z.string(), service: z.string() })) });

/** A version as lists have it. */
export interface ListedVersion {
  readonly id: string;
  /** What it was uploaded with: a command's id. */
  readonly tag: string | undefined;
  readonly message: string | undefined;
}
export interface Served {
  readonly deploymentId: string;
  readonly message: string | undefined;
  readonly traffic: Traffic;
}
export interface Upload {
  readonly name: string;
  /** Told apart by it: a version is uploaded once. */
  readonly tag: string;
  readonly form: () => FormData;
}

export type Fetch = typeof fetch;

export const createApi = (config: CloudflareConfig, calling: Calling, fetcher: Fetch): Api =>
  new Api(connect(config, fetcher), config.accountId, calling);

function connect({ apiToken, baseUrl }: CloudflareConfig, fetcher: Fetch) {
  return createClient({
    apiToken,
    // The SDK would otherwise read these from the environment, and send another identity along.
    apiKey: null,
    apiEmail: null,
    userServiceKey: null,
    ...(baseUrl === undefined ? {} : { baseURL: baseUrl }),
    fetch: fetcher,
    // It repeats writes too, which can make two versions of one command: repeats are ours, in `patiently`.
    maxRetries: 0,
    timeout: CALL_TIMEOUT_MS,
    logLevel: 'off',
    resources: [BaseDeployments, BaseSubdomain, BaseSubdomains],
  });
}

/** The few calls that a deployment is made of, each within the budget and repeated until it went through or cannot. */
export class Api {
  readonly #client: ReturnType<typeof connect>;
  readonly #account: { readonly account_id: string };
  readonly #calling: Calling;
  /** Of the account's Workers, once it was asked for. */
  #subdomain: string | undefined;

  constructor(client: ReturnType<typeof connect>, accountId: string, calling: Calling) {
    this.#client = client;
    this.#account = { account_id: accountId };
    this.#calling = calling;
  }

  /** Newest first: the first one is in force. Undefined when there is no such Worker. */
  deployments(name: string, signal: AbortSignal): Promise<Served[] | undefined> {
    return this.#call(() => this.#listDeployments(name, signal), signal);
  }

  /** Those that may be deployed, newest first; none when there is no such Worker. */
  versions(name: string, signal: AbortSignal): Promise<ListedVersion[]> {
    return this.#call(() => this.#listVersions(name, signal), signal);
  }

  /** The version with this tag. */
  tagged(name: string, tag: string, signal: AbortSignal): Promise<string | undefined> {
    return this.#call(() => this.#findTagged(name, tag, signal), signal);
  }

  /** Of the Durable Object classes as that version knows them. */
  async migrationTag(name: string, versionId: string, signal: AbortSignal): Promise<string | undefined> {
    const get = () => this.#client.get(`${this.#path(name)}/versions/${versionId}`, { signal });
    const { result } = version.parse(await this.#call(get, signal));
    return result.resources.script_runtime?.migration_tag ?? undefined;
  }

  /**
   * Uploads a first version of a new Worker, which serves at once.
   * @returns its deployment; `before` is who served, where somebody else has made the Worker at the same moment
   */
  async create({ name, tag, form }: Upload, { signal, stop }: Ends): Promise<Served & { before: Traffic }> {
    // Its answer names neither version nor deployment: they are looked up in any case.
    const put = async (): Promise<string> => {
      await this.#client.put(this.#path(name), { body: form(), signal: stop, timeout: UPLOAD_TIMEOUT_MS });
      return '';
    };
    await this.#call(put, signal, () => this.#findTagged(name, tag, signal));
    const list = (await this.deployments(name, signal)) ?? [];
    const [only, another] = list;
    const mine =
      another === undefined
        ? [only?.traffic[0]?.versionId]
        : (await this.versions(name, signal)).filter((listed) => listed.tag === tag).map(({ id }) => id);
    const isMine = ({ traffic }: Served) => traffic.some(({ versionId }) => mine.includes(versionId));
    const own = list.find(isMine);
    const [versionId] = mine;
    if (versionId === undefined || own === undefined) throw missing(name);
    const older = list.slice(list.indexOf(own)).find((served) => !isMine(served));
    return { ...own, traffic: [{ versionId, percentage: 100 }], before: older?.traffic ?? [] };
  }

  /** Uploads a version that does not serve yet. @returns its id */
  addVersion({ name, tag, form }: Upload, { signal, stop }: Ends): Promise<string> {
    const post = async (): Promise<string> => {
      const options = { body: form(), signal: stop, timeout: UPLOAD_TIMEOUT_MS };
      return uploaded.parse(await this.#client.post(`${this.#path(name)}/versions`, options)).result.id;
    };
    return this.#call(post, signal, () => this.#findTagged(name, tag, signal));
  }

  /** Divides the traffic. @returns the deployment */
  serve(
    name: string,
    traffic: Traffic,
    how: { message: string; force?: boolean },
    { signal, stop }: Ends,
  ): Promise<string> {
    const body = {
      strategy: 'percentage',
      versions: traffic.map(({ versionId, percentage }) => ({ version_id: versionId, percentage })),
      annotations: { 'workers/message': how.message },
    };
    const options = { body, signal: stop, ...(how.force === true && { query: { force: 'true' } }) };
    const deploy = async (): Promise<string> =>
      uploaded.parse(await this.#client.post(`${this.#path(name)}/deployments`, options)).result.id;
    return this.#call(deploy, signal, async () => {
      const [current] = (await this.#listDeployments(name, signal)) ?? [];
      return current !== undefined && isSame(current.traffic, traffic) ? current.deploymentId : undefined;
    });
  }

  /** Puts the Worker on its workers.dev address. @returns the address */
  async publish(name: string, { signal, stop }: Ends): Promise<string> {
    const { scripts } = this.#client.workers;
    const enable = () =>
      scripts.subdomain.create(name, { ...this.#account, enabled: true }, { signal: stop });
    const { url } = served.parse(await this.#call(enable, signal));
    return url ?? this.#onWorkersDev(name, signal);
  }

  /** Where the Worker answers already: on workers.dev, else on a host name of the account's own, if on any. */
  async address(name: string, signal: AbortSignal): Promise<string | undefined> {
    const ask = () => this.#client.get(`${this.#path(name)}/subdomain`, { signal });
    const { enabled, url } = subdomain.parse(await this.#call(ask, signal)).result;
    if (enabled) return url ?? this.#onWorkersDev(name, signal);
    const path = `/accounts/${this.#account.account_id}/workers/domains`;
    const list = () => this.#client.get(path, { query: { service: name }, signal });
    const { result } = domains.parse(await this.#call(list, signal));
    const own = result.find(({ service }) => service === name);
    return own === undefined ? undefined : `https://${own.hostname}`;
  }

  /** Gives the Worker these route patterns, and no others: one call, as wrangler makes it, whatever zones they are in. */
  async route(name: string, patterns: readonly string[], { signal, stop }: Ends): Promise<void> {
    const body = patterns.map((pattern) => ({ pattern }));
    const put = () => this.#client.put(`${this.#path(name)}/routes`, { body, signal: stop });
    await this.#call(put, signal);
  }

  /** Puts the Worker on a host name of the account's own. Safe to repeat. */
  async attach(name: string, hostname: string, { signal, stop }: Ends): Promise<void> {
    const body = { hostname, service: name, environment: 'production' };
    const path = `/accounts/${this.#account.account_id}/workers/domains`;
    await this.#call(() => this.#client.put(path, { body, signal: stop }), signal);
  }

  /** Of a Worker in a dispatch namespace; undefined when there is none of this name. */
  async tagsInNamespace(namespace: string, name: string, signal: AbortSignal): Promise<string[] | undefined> {
    const path = `${this.#namespacePath(namespace, name)}/tags`;
    const answer = await this.#call(() => unlessAbsent(this.#client.get(path, { signal })), signal);
    return answer === undefined ? undefined : tagList.parse(answer).result;
  }

  /** Safe to repeat. @returns what tells this upload from another */
  putInNamespace(
    namespace: string,
    name: string,
    form: () => FormData,
    { signal, stop }: Ends,
  ): Promise<string> {
    const path = this.#namespacePath(namespace, name);
    const put = async (): Promise<string> => {
      const options = { body: form(), signal: stop, timeout: UPLOAD_TIMEOUT_MS };
      return inNamespace.parse(await this.#client.put(path, options)).result.etag;
    };
    return this.#call(put, signal);
  }

  /** Takes the whole Worker away. Safe to repeat. */
  async remove(name: string, signal: AbortSignal): Promise<void> {
    await this.#call(() => unlessAbsent(this.#client.delete(this.#path(name), { signal })), signal);
  }

  /** Takes a version away that serves nobody. Safe to repeat. */
  async removeVersion(name: string, versionId: string, signal: AbortSignal): Promise<void> {
    const path = `/accounts/${this.#account.account_id}/workers/workers/${name}/versions/${versionId}`;
    await this.#call(() => unlessAbsent(this.#client.delete(path, { signal })), signal);
  }

  async #onWorkersDev(name: string, signal: AbortSignal): Promise<string> {
    const ask = () => this.#client.workers.subdomains.get(this.#account, { signal });
    this.#subdomain ??= (await this.#call(ask, signal)).subdomain;
    return `https://${name}.${this.#subdomain}.workers.dev`;
  }

  async #listDeployments(name: string, signal: AbortSignal): Promise<Served[] | undefined> {
    const answer = await unlessAbsent(this.#client.get(`${this.#path(name)}/deployments`, { signal }));
    return answer === undefined ? undefined : deployments.parse(answer).result.deployments.map(servedOf);
  }

  async #listVersions(name: string, signal: AbortSignal): Promise<ListedVersion[]> {
    const options = { query: { per_page: VERSIONS_DEPLOYABLE, deployable: 'true' }, signal };
    const answer = await unlessAbsent(this.#client.get(`${this.#path(name)}/versions`, options));
    if (answer === undefined) return [];
    return versions.parse(answer).result.items.map(({ id, annotations: notes }) => ({
      id,
      tag: notes?.['workers/tag'],
      message: notes?.['workers/message'],
    }));
  }

  async #findTagged(name: string, tag: string, signal: AbortSignal): Promise<string | undefined> {
    return (await this.#listVersions(name, signal)).find((listed) => listed.tag === tag)?.id;
  }

  #path(name: string): string {
    return `/accounts/${this.#account.account_id}/workers/scripts/${name}`;
  }

  #namespacePath(namespace: string, name: string): string {
    return `/accounts/${this.#account.account_id}/workers/dispatch/namespaces/${namespace}/scripts/${name}`;
  }

  #call<T>(call: () => Promise<T>, signal: AbortSignal, done?: () => Promise<T | undefined>): Promise<T> {
    return patiently(call, signal, this.#calling, done);
  }
}

const servedOf = ({
  id,
  annotations: notes,
  versions: shares,
}: z.infer<typeof deployments>['result']['deployments'][number]): Served => ({
  deploymentId: id,
  message: notes?.['workers/message'],
  traffic: shares.map(({ version_id, percentage }) => ({ versionId: version_id, percentage })),
});

const missing = (name: string): Failure =>
  new Failure('deploy_failed', `Cloudflare took ${name}, but does not list the new version: deploy again`);
