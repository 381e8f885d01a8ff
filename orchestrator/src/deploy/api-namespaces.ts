import { z } from 'zod';
import { unlessAbsent } from './absent.ts';
import { type Client, UPLOAD_TIMEOUT_MS } from './api-client.ts';
import type { Ends } from './patience.ts';
import { type Calling, patiently } from './retry.ts';

const tagList = z.object({ result: z.array(z.string()) });
const inNamespace = z.object({
  result: z.object({ etag: z.string().default(''), deployment_id: z.string().nullish() }),
});
/** One that is not there may come as a success without it. */
const namespaceScript = z.object({ result: z.object({ script: z.looseObject({}).nullish() }).nullish() });

/** Workers in dispatch namespaces (Workers for Platforms). */
export class NamespaceApi {
  readonly #client: Client;
  readonly #account: { readonly account_id: string };
  readonly #calling: Calling;

  constructor(client: Client, accountId: string, calling: Calling) {
    this.#client = client;
    this.#account = { account_id: accountId };
    this.#calling = calling;
  }

  /** Of a Worker in a dispatch namespace; undefined when there is none of this name. */
  async tags(namespace: string, name: string, signal: AbortSignal): Promise<string[] | undefined> {
    const path = this.#path(namespace, name);
    const get = (what: string) => this.#call(() => unlessAbsent(this.#client.get(what, { signal })), signal);
    const script = namespaceScript.optional().parse(await get(path))?.result?.script;
    if (script === undefined || script === null) return undefined;
    const answer = await get(`${path}/tags`);
    return answer === undefined ? undefined : tagList.parse(answer).result;
  }

  /** Safe to repeat. @returns the version's id, which the Worker knows as its own; else a digest of its code */
  put(namespace: string, name: string, form: () => FormData, { signal, stop }: Ends): Promise<string> {
    const path = this.#path(namespace, name);
    const upload = async (): Promise<string> => {
      const options = { body: form(), signal: stop, timeout: UPLOAD_TIMEOUT_MS };
      const { etag, deployment_id } = inNamespace.parse(await this.#client.put(path, options)).result;
      return hyphenated(deployment_id ?? '') ?? etag;
    };
    return this.#call(upload, signal);
  }

  #path(namespace: string, name: string): string {
    return `/accounts/${this.#account.account_id}/workers/dispatch/namespaces/${namespace}/scripts/${name}`;
  }

  #call<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return patiently(call, signal, this.#calling);
  }
}

/** A version's id as everything else has it: wrangler reads this member so, too. */
const hyphenated = (id: string): string | undefined =>
  /^[0-9a-f]{32}$/.test(id) ? id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') : undefined;
