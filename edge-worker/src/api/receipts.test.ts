import { type Problem, type Receipt, receiptTicket } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { edge, fresh, RELAY, Tenant } from '../edge.fixture.ts';

let tenant: Tenant;
let one = '';
let two = '';
/** A site of each of the two orchestrators, which are away. */
let sites: [string, string];
beforeEach(async () => {
  [one, two] = [fresh('vps'), fresh('vps')];
  tenant = await Tenant.create(one, two);
  sites = [await site(one), await site(two)];
});

async function site(orchestratorId: string): Promise<string> {
  const id = fresh('shop');
  await tenant.call('POST', '/sites', { body: { id, orchestratorId } });
  const config = { routes: [{ path: '/*', upstream: 'http://127.0.0.1:9', offline: 'queue' }] };
  const body = { action: 'update_config', siteId: id, payload: { base: 0, config } };
  expect((await tenant.call('POST', '/orchestrator', { body })).status).toBe(202);
  return id;
}

async function store(siteId: string, body: string): Promise<string> {
  const response = await edge(`${RELAY}/s/${siteId}/lead`, { method: 'POST', body });
  expect(response.status).toBe(202);
  return receiptTicket.parse(await response.json()).receiptId;
}

const page = async (query = '', of = tenant, role: 'viewer' | 'admin' = 'viewer') =>
  (await of.call('GET', `/receipts${query}`, { role })).json<{
    items: Receipt[];
    next: string | null;
  }>();
const code = async (response: Response) => [response.status, (await response.json<Problem>()).code];

describe('the list of receipts', () => {
  it('goes over the organisation’s orchestrators, each receipt once, however it is paged', async () => {
    const ids = [await store(sites[0], 'a'), await store(sites[0], 'b'), await store(sites[1], 'c')];
    for (const limit of [1, 2, 10]) {
      const seen: string[] = [];
      let next: string | null = '';
      for (let turn = 0; next !== null && turn < 9; turn++) {
        const got: Awaited<ReturnType<typeof page>> = await page(
          `?limit=${limit}${next === '' ? '' : `&after=${next}`}`,
        );
        expect(got.items.length).toBeLessThanOrEqual(limit);
        seen.push(...got.items.map(({ id }) => id));
        next = got.next;
      }
      expect(seen).toEqual([ids[1], ids[0], ids[2]]);
    }
  });

  it('is narrowed by site, state, time and what stands in the requests', async () => {
    const [a, b] = [await store(sites[0], 'mail=zoe%40example.com'), await store(sites[1], 'mail=joe')];
    const idsOf = async (query: string) => (await page(query)).items.map(({ id }) => id);
    expect(await idsOf(`?site=${sites[1]}`)).toEqual([b]);
    const searched = await page('?q=zoe%40example.com', tenant, 'admin');
    expect(searched.items.map(({ id }) => id)).toEqual([a]);
    const oracle = await tenant.call('GET', '/receipts?q=zoe%40example.com', { role: 'viewer' });
    expect(await code(oracle)).toEqual([403, 'forbidden']);
    expect(await idsOf('?path=/lead&state=stored')).toEqual([a, b]);
    expect(await idsOf('?state=dead')).toEqual([]);
    expect(await idsOf(`?to=1&orchestrator=${one}`)).toEqual([]);
    expect((await tenant.call('GET', '/receipts?after=nonsense')).status).toBe(400);
  });

  it('is nobody else’s', async () => {
    const id = await store(sites[0], 'a');
    const other = await Tenant.create(fresh('vps'));
    expect((await page('', other)).items).toEqual([]);
    expect(await code(await other.call('GET', `/receipts?site=${sites[0]}`))).toEqual([404, 'not_found']);
    expect(await code(await other.call('GET', `/receipts/${id}`))).toEqual([404, 'not_found']);
    for (const act of ['redeliver', 'erase'])
      expect(await code(await other.call('POST', `/receipts/${id}/${act}`))).toEqual([404, 'not_found']);
    const body = { site: sites[0] };
    expect(await code(await other.call('POST', '/receipts/erase', { body }))).toEqual([404, 'not_found']);
  });
});

describe('a receipt', () => {
  it('is delivered again and erased by admins alone', async () => {
    const id = await store(sites[0], 'a');
    const asked = { role: 'member' } as const;
    for (const act of ['redeliver', 'erase'])
      expect((await tenant.call('POST', `/receipts/${id}/${act}`, asked)).status).toBe(403);
    const body = { site: sites[0] };
    expect((await tenant.call('POST', '/receipts/erase', { ...asked, body })).status).toBe(403);
    expect(await code(await tenant.call('POST', `/receipts/${id}/redeliver`))).toEqual([409, 'conflict']);
    expect((await tenant.call('POST', '/receipts/erase', { body })).ok).toBe(true);
    expect(await (await tenant.call('GET', `/receipts/${id}`)).json()).toMatchObject({ id, state: 'erased' });
  });

  it('that never was is not found', async () => {
    const id = `rcpt_${one}_${'0'.repeat(16)}`;
    expect(await code(await tenant.call('GET', `/receipts/${id}`))).toEqual([404, 'not_found']);
    expect((await tenant.call('GET', '/receipts/nonsense')).status).toBe(400);
  });
});
