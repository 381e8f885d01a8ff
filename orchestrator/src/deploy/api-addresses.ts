import { z } from 'zod';
import type { Client } from './api-client.ts';
import type { Ends } from './patience.ts';
import { type Calling, patiently } from './retry.ts';

/** Cloudflare's subdomain has no `url`; an API beside it that serves Workers elsewhere says where. */
const served = z.object({ url: z.url().optional() });
const subdomain = z.object({ result: served.extend({ enabled: z.boolean() }) });
const domains = z.object({
  result: z.array(z.object({ id: z.string(), hostname: z.string(), service: z.string() })),
});
const routes = z.object({ result: z.array(z.object({ pattern: z.string() })) });

/** A host name of the account's own, and the Worker that answers there. */
export type Domain = z.infer<typeof domains>['result'][number];

/** Where Workers answer: on workers.dev, by route patterns, and on host names of the account's own. */
export class AddressApi {
  readonly #client: Client;
  readonly #account: { readonly account_id: string };
  readonly #calling: Calling;
  /** Of the account's Workers, once it was asked for. */
  #subdomain: string | undefined;

  constructor(client: Client, accountId: string, calling: Calling) {
    this.#client = client;
    this.#account = { account_id: accountId };
    this.#calling = calling;
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
    const own = (await this.domains({ service: name }, signal)).find(({ service }) => service === name);
    return own === undefined ? undefined : `https://${own.hostname}`;
  }

  /** The Worker's route patterns, whatever zones they are in: as wrangler asks for them. */
  async routes(name: string, signal: AbortSignal): Promise<string[]> {
    const path = `/accounts/${this.#account.account_id}/workers/services/${name}/environments/production/routes`;
    const { result } = routes.parse(await this.#call(() => this.#client.get(path, { signal }), signal));
    return result.map(({ pattern }) => pattern);
  }

  /** The account's host names, or those of one Worker. */
  domains(query: { service?: string }, signal: AbortSignal): Promise<Domain[]> {
    return this.#call(() => this.#listDomains(query, signal), signal);
  }

  /** Gives the Worker these route patterns, and no others: one call, as wrangler makes it, whatever zones they are in. */
  async route(name: string, patterns: readonly string[], { signal, stop }: Ends): Promise<void> {
    const body = patterns.map((pattern) => ({ pattern }));
    await this.#call(() => this.#client.put(`${this.#path(name)}/routes`, { body, signal: stop }), signal);
  }

  /** Puts the Worker on a host name of the account's own; refused when another Worker has it. Safe to repeat. */
  async attach(name: string, hostname: string, { signal, stop }: Ends): Promise<void> {
    const body = { hostname, service: name, environment: 'production' };
    await this.#call(() => this.#client.put(this.#domains, { body, signal: stop }), signal);
  }

  /** Takes a Worker off a host name that it was listed with. */
  async detach({ id, service }: Domain, signal: AbortSignal): Promise<void> {
    const remove = () => this.#client.delete(`${this.#domains}/${id}`, { signal });
    await this.#call(remove, signal, async () => {
      const left = await this.#listDomains({ service }, signal);
      return left.some((domain) => domain.id === id) ? undefined : true;
    });
  }

  async #listDomains(query: { service?: string }, signal: AbortSignal): Promise<Domain[]> {
    return domains.parse(await this.#client.get(this.#domains, { query, signal })).result;
  }

  async #onWorkersDev(name: string, signal: AbortSignal): Promise<string> {
    const ask = () => this.#client.workers.subdomains.get(this.#account, { signal });
    this.#subdomain ??= (await this.#call(ask, signal)).subdomain;
    return `https://${name}.${this.#subdomain}.workers.dev`;
  }

  get #domains(): string {
    return `/accounts/${this.#account.account_id}/workers/domains`;
  }

  #path(name: string): string {
    return `/accounts/${this.#account.account_id}/workers/scripts/${name}`;
  }

  #call<T>(call: () => Promise<T>, signal: AbortSignal, done?: () => Promise<T | undefined>): Promise<T> {
    return patiently(call, signal, this.#calling, done);
  }
}
