import { Failure } from '@clawdbot/protocol';
import { BaseDeployments } from 'cloudflare/resources/workers/scripts/deployments';
import { BaseSubdomain } from 'cloudflare/resources/workers/scripts/subdomain';
import { BaseSubdomains } from 'cloudflare/resources/workers/subdomains';
import { createClient } from 'cloudflare/tree-shakable';
import { z } from 'zod';
import type { CloudflareConfig } from '../config.ts';
import { type Patience, patiently } from './retry.ts';

const CALL_TIMEOUT_MS = 30_000;
/** Up to 10 MB over a VPS's uplink, and Cloudflare starts the Worker once before it answers. */
const UPLOAD_TIMEOUT_MS = 120_000;
/** A version we look for is among the newest; Cloudflare deploys none older than the last 100. */
const VERSIONS_LOOKED_AT = 100;

const versions = z.object({
  result: z.object({
    items: z.array(z.object({ id: z.string(), annotations: z.record(z.string(), z.string()).nullish() })),
  }),
});
const share = z.object({ version_id: z.string(), percentage: z.number() });
const deployments = z.object({
  result: z.object({ deployments: z.array(z.object({ id: z.string(), versions: z.array(share) })) }),
});
const uploaded = z.object({ result: z.object({ id: z.string() }) });
/** Cloudflare's subdomain has no `url`; an API beside it that serves Workers elsewhere says where. */
const served = z.object({ url: z.url().optional() });

/** What of a Worker's versions is known at Cloudflare: `absent` when there is no such Worker. */
type Found = { readonly script: 'absent' } | { readonly script: 'present'; readonly versionId?: string };

/** The few calls that a deployment is made of, each repeated until it went through or cannot. */
export interface Api {
  /** The newest version with this tag. */
  find(name: string, tag: string, signal: AbortSignal): Promise<Found>;
  /** Uploads a first version of a new Worker, which serves at once. @returns the version */
  create(name: string, tag: string, form: () => FormData, signal: AbortSignal): Promise<string>;
  /** Uploads a version that does not serve yet. @returns the version */
  addVersion(name: string, tag: string, form: () => FormData, signal: AbortSignal): Promise<string>;
  /** Gives a version all traffic, unless a deployment already did. @returns the deployment */
  serve(name: string, versionId: string, message: string, signal: AbortSignal): Promise<string>;
  /** Puts the Worker on its workers.dev address. @returns the address */
  publish(name: string, signal: AbortSignal): Promise<string>;
}

export type Fetch = typeof fetch;

export const createApi = (config: CloudflareConfig, patience: Patience, fetcher: Fetch): Api =>
  new CloudflareApi(connect(config, fetcher), config.accountId, patience);

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

class CloudflareApi implements Api {
  readonly #client: ReturnType<typeof connect>;
  readonly #account: { readonly account_id: string };
  readonly #patience: Patience;

  constructor(client: ReturnType<typeof connect>, accountId: string, patience: Patience) {
    this.#client = client;
    this.#account = { account_id: accountId };
    this.#patience = patience;
  }

  find(name: string, tag: string, signal: AbortSignal): Promise<Found> {
    return patiently(() => this.#list(name, tag, signal), signal, this.#patience);
  }

  create(name: string, tag: string, form: () => FormData, signal: AbortSignal): Promise<string> {
    // The answer names no version, so it is looked up by its tag in any case.
    const version = async (): Promise<string | undefined> => versionIn(await this.find(name, tag, signal));
    const put = async (): Promise<string> => {
      await this.#client.put(this.#path(name), { body: form(), signal, timeout: UPLOAD_TIMEOUT_MS });
      return (await version()) ?? missing(name);
    };
    return patiently(put, signal, this.#patience, version);
  }

  addVersion(name: string, tag: string, form: () => FormData, signal: AbortSignal): Promise<string> {
    const post = async (): Promise<string> => {
      const options = { body: form(), signal, timeout: UPLOAD_TIMEOUT_MS };
      return uploaded.parse(await this.#client.post(`${this.#path(name)}/versions`, options)).result.id;
    };
    const version = async (): Promise<string | undefined> => versionIn(await this.find(name, tag, signal));
    return patiently(post, signal, this.#patience, version);
  }

  async serve(name: string, versionId: string, message: string, signal: AbortSignal): Promise<string> {
    const deployed = () => this.#deploymentOf(name, versionId, signal);
    const already = await patiently(deployed, signal, this.#patience);
    if (already !== undefined) return already;
    const body = {
      ...this.#account,
      strategy: 'percentage' as const,
      versions: [{ version_id: versionId, percentage: 100 }],
      annotations: { 'workers/message': message },
    };
    const { deployments: api } = this.#client.workers.scripts;
    const deploy = async () => (await api.create(name, body, { signal })).id;
    return patiently(deploy, signal, this.#patience, deployed);
  }

  async publish(name: string, signal: AbortSignal): Promise<string> {
    const { scripts, subdomains } = this.#client.workers;
    const enable = () => scripts.subdomain.create(name, { ...this.#account, enabled: true }, { signal });
    const { url } = served.parse(await patiently(enable, signal, this.#patience));
    if (url !== undefined) return url;
    const ask = () => subdomains.get(this.#account, { signal });
    const { subdomain } = await patiently(ask, signal, this.#patience);
    return `https://${name}.${subdomain}.workers.dev`;
  }

  #path(name: string): string {
    return `/accounts/${this.#account.account_id}/workers/scripts/${name}`;
  }

  async #list(name: string, tag: string, signal: AbortSignal): Promise<Found> {
    const options = { query: { per_page: VERSIONS_LOOKED_AT }, signal };
    try {
      const { result } = versions.parse(await this.#client.get(`${this.#path(name)}/versions`, options));
      const found = result.items.find(({ annotations }) => annotations?.['workers/tag'] === tag);
      return { script: 'present', ...(found === undefined ? {} : { versionId: found.id }) };
    } catch (error) {
      if (isAbsent(error)) return { script: 'absent' };
      throw error;
    }
  }

  async #deploymentOf(name: string, versionId: string, signal: AbortSignal): Promise<string | undefined> {
    const { result } = deployments.parse(
      await this.#client.get(`${this.#path(name)}/deployments`, { signal }),
    );
    return result.deployments.find(({ versions: [first] }) => servesAll(first, versionId))?.id;
  }
}

const versionIn = (found: Found): string | undefined =>
  found.script === 'present' ? found.versionId : undefined;

const servesAll = (first: z.infer<typeof share> | undefined, versionId: string): boolean =>
  first?.version_id === versionId && first.percentage === 100;

/** Cloudflare's code for a Worker that is not there; other 404s are faults of ours, e.g. a wrong base URL. */
const ABSENT = 10_007;
const refusal = z.object({ status: z.literal(404), errors: z.array(z.object({ code: z.number() })) });
const isAbsent = (error: unknown): boolean =>
  refusal.safeParse(error).data?.errors.some(({ code }) => code === ABSENT) ?? false;

function missing(name: string): never {
  throw new Failure(
    'deploy_failed',
    `Cloudflare took ${name}, but does not list the new version: deploy again`,
  );
}
