import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface Site {
  readonly relayUrl: string;
  readonly siteId: string;
}

/** More than any credit or socket buffer on the way. */
const MUCH_BYTES = 64 * 1024 * 1024;
const AT_A_TIME = 20;
/** What a stalled stream sends into the buffers on its way is there after this. */
const SETTLE_MS = 2_000;

/** Opens a request of its own connection. Rejects when there is no answer. */
export const ask = (site: Site, path: string): Promise<IncomingMessage> => askUrl(urlOf(site) + path);

const urlOf = ({ relayUrl, siteId }: Site): string => `${relayUrl}/s/${siteId}`;

async function askUrl(url: string): Promise<IncomingMessage> {
  const sent = request(url, { agent: false });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.on('error', () => undefined); // Its reader left.
  return response;
}

/** Customers who read all that they have asked for, all at once. */
export async function read(site: Site, count: number, bytes: number): Promise<void> {
  const one = async () => {
    for await (const _chunk of await ask(site, `/bytes/${bytes}`));
  };
  await Promise.all(Array.from({ length: count }, one));
}

/** Customers who have asked for much and do not read. */
export class Customers {
  readonly #responses: readonly IncomingMessage[];

  private constructor(responses: readonly IncomingMessage[]) {
    this.#responses = responses;
  }

  /** @param at a site, or the URL of whatever answers with much */
  static async stalled(at: Site | string, count: number): Promise<Customers> {
    const url = typeof at === 'string' ? at : `${urlOf(at)}/bytes/${MUCH_BYTES}`;
    const responses: IncomingMessage[] = [];
    while (responses.length < count) {
      const some = Math.min(AT_A_TIME, count - responses.length);
      responses.push(...(await Promise.all(Array.from({ length: some }, () => askUrl(url)))));
    }
    await delay(SETTLE_MS);
    return new Customers(responses);
  }

  leave(): void {
    for (const response of this.#responses) response.destroy();
  }
}

/** Small requests at a fixed rate, whatever becomes of the ones before. @returns how long each took, in ms, sorted */
export async function latencies(site: Site, count: number, perSecond: number): Promise<Float64Array> {
  const began = performance.now();
  const asked = Array.from({ length: count }, async (_, n) => {
    await delay(Math.max(0, began + (n * 1_000) / perSecond - performance.now()));
    const start = performance.now();
    const response = await ask(site, '/echo');
    for await (const _chunk of response);
    if (response.statusCode !== 200) throw new Error(`a request was answered ${response.statusCode}`);
    return performance.now() - start;
  });
  return Float64Array.from(await Promise.all(asked)).sort();
}
