import { createTag } from './tag.ts';

export const RELAY = 'https://relay.example';
const EDGE = 'https://console.example';
export const TAG = 'https://tag.example';
export const SHOP = 'https://shop.example';
const PUBLIC = `${EDGE}/api/v1/sites/shop/config/public`;

/** As the relay answers while the upstream does not. */
const stored = () =>
  Response.json(
    { receiptId: 'rcpt_1', state: 'stored' },
    { status: 202, headers: { 'x-receipt-id': 'rcpt_1' } },
  );

type Answer = (request: Request) => Response | Promise<Response>;

/** The tag with an edge and a relay that answer so, a clock that the test moves, and what both were asked. */
export function tagWith(
  given: { edge?: Answer; relay?: Answer; consent?: 'required' | 'implied'; visitorKey?: string } = {},
) {
  const shelf = new Map<string, Response>();
  const asked: { edge: Request[]; relay: Request[] } = { edge: [], relay: [] };
  const backgrounds: Promise<unknown>[] = [];
  const world = {
    now: Date.UTC(2026, 10, 26, 12),
    edge: given.edge ?? (() => Response.json({})),
    relay: given.relay ?? stored,
  };
  const create = () =>
    createTag({
      ...{ siteId: 'shop', relayUrl: RELAY, edgeUrl: EDGE, origins: [SHOP], version: 'v-1' },
      consent: given.consent ?? 'required',
      visitorKey: given.visitorKey,
      snippet: 'run()',
      now: () => world.now,
      shelf: () => ({
        match: async (key) => shelf.get(key)?.clone(),
        put: async (key, response) => void shelf.set(key, response),
      }),
      fetcher: async (input, init) => {
        const request = new Request(input, init);
        const side = request.url === PUBLIC ? 'edge' : 'relay';
        asked[side].push(request.clone());
        return world[side](request);
      },
    });
  let tag = create();
  const ask = (path: string, init?: RequestInit) =>
    tag(new Request(TAG + path, init), (task) => void backgrounds.push(task));
  return {
    world,
    asked,
    ask,
    /** All that goes on behind answers. */
    settle: async () => {
      while (backgrounds.length > 0) await backgrounds.pop();
    },
    /** Another isolate of the same Worker. */
    restart: () => {
      tag = create();
    },
    lead: (body: string | object, headers: Record<string, string> = {}) =>
      ask('/lead', {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      }),
    /** The lead that the relay was given last. */
    relayed: async () => (await asked.relay.at(-1)?.clone().json()) as Record<string, unknown>,
  };
}
