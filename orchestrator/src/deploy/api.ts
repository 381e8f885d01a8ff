import { Failure } from '@clawdbot/protocol';
import { z } from 'zod';
import type { CloudflareConfig } from '../config.ts';
import { unlessAbsent } from './absent.ts';
import { AddressApi } from './api-addresses.ts';
import { type Client, connect, type Fetch, UPLOAD_TIMEOUT_MS } from './api-client.ts';
import { NamespaceApi } from './api-namespaces.ts';
import type { Ends } from './patience.ts';
import { type Calling, patiently } from './retry.ts';
import type { Traffic } from './state.ts';
import { isSame } from './traffic.ts';

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

export const createApi = (config: CloudflareConfig, calling: Calling, fetcher: Fetch): Api =>
  new Api(connect(config, fetcher), config.accountId, calling);

/** The few calls that a deployment is made of, each within the budget and repeated until it went through or cannot. */
export class Api {
  readonly #client: Client;
  readonly #account: { readonly account_id: string };
  readonly #calling: Calling;
  readonly addresses: AddressApi;
  readonly namespaces: NamespaceApi;

  constructor(client: Client, accountId: string, calling: Calling) {
    this.#client = client;
    this.#account = { account_id: accountId };
    this.#calling = calling;
    this.addresses = new AddressApi(client, accountId, calling);
    this.namespaces = new NamespaceApi(client, accountId, calling);
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

  /** Takes the whole Worker away. Safe to repeat. */
  async remove(name: string, signal: AbortSignal): Promise<void> {
    await this.#call(() => unlessAbsent(this.#client.delete(this.#path(name), { signal })), signal);
  }

  /** Takes a version away that serves nobody. Safe to repeat. */
  async removeVersion(name: string, versionId: string, signal: AbortSignal): Promise<void> {
    const path = `/accounts/${this.#account.account_id}/workers/workers/${name}/versions/${versionId}`;
    await this.#call(() => unlessAbsent(this.#client.delete(path, { signal })), signal);
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
