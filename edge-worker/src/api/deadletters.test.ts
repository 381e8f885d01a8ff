import type { DeadLetter, DeadLetterDetail, Problem } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { entry, helloOf, Peer } from '../channel/channel.fixture.ts';
import { fresh, Tenant } from '../edge.fixture.ts';

let tenant: Tenant;
let one = '';
let two = '';
beforeEach(async () => {
  [one, two] = [fresh('vps'), fresh('vps')];
  tenant = await Tenant.create(one, two);
});

/** An orchestrator whose first entries cannot be read. */
async function unreadable(vps: string, count: number): Promise<void> {
  const peer = await Peer.connect(vps, helloOf(vps));
  peer.send(...Array.from({ length: count }, (_, n) => entry(n + 1, { type: 'strange', n })));
  await peer.next('ack');
  peer.close(1000, '');
}
const page = async (query = '', of = tenant) =>
  (await of.call('GET', `/deadletters${query}`, { role: 'viewer' })).json<{
    items: DeadLetter[];
    next: string | null;
  }>();
const code = async (response: Response) => [response.status, (await response.json<Problem>()).code];

describe('the list of dead letters', () => {
  it('goes over the organisation’s orchestrators in order, each letter once', async () => {
    await unreadable(one, 3);
    await unreadable(two, 2);
    for (const limit of [1, 2, 3, 10]) {
      const seen: string[] = [];
      let next: string | null = '';
      for (let turn = 0; next !== null && turn < 9; turn++) {
        const got: Awaited<ReturnType<typeof page>> = await page(
          `?limit=${limit}${next === '' ? '' : `&after=${next}`}`,
        );
        expect(got.items.length).toBeLessThanOrEqual(limit);
        seen.push(...got.items.map(({ orchestratorId, seq }) => `${orchestratorId} ${seq}`));
        next = got.next;
      }
      expect(seen).toEqual([`${one} 1`, `${one} 2`, `${one} 3`, `${two} 1`, `${two} 2`]);
    }
  });

  it('is one orchestrator’s when asked so, and never another organisation’s', async () => {
    await unreadable(one, 1);
    await unreadable(two, 1);
    expect((await page(`?orchestrator=${two}`)).items.map(({ orchestratorId }) => orchestratorId)).toEqual([
      two,
    ]);
    const other = await Tenant.create(fresh('vps'));
    expect((await page('', other)).items).toEqual([]);
    expect(await code(await other.call('GET', `/deadletters?orchestrator=${two}`))).toEqual([
      404,
      'not_found',
    ]);
    expect((await tenant.call('GET', '/deadletters?after=nonsense')).status).toBe(400);
  });
});

describe('a dead letter', () => {
  it('is read by viewers, and replayed and dropped by admins', async () => {
    await unreadable(one, 1);
    const { id = '' } = (await page()).items[0] ?? {};
    const detail = await tenant.call('GET', `/deadletters/${id}`, { role: 'viewer' });
    expect(await detail.json<DeadLetterDetail>()).toMatchObject({ id, body: '{"type":"strange","n":0}' });
    const refused = await tenant.call('POST', `/deadletters/${id}/drop`, { role: 'member' });
    expect(await code(refused)).toEqual([403, 'forbidden']);
    const replayed = await tenant.call('POST', `/deadletters/${id}/replay`);
    expect(await replayed.json()).toMatchObject({ id, state: 'replaying' });
    const dropped = await tenant.call('POST', `/deadletters/${id}/drop`);
    expect(await dropped.json()).toMatchObject({ id, state: 'dropping' });
    expect(await code(await tenant.call('GET', `/deadletters/${id}`))).toEqual([404, 'not_found']);
  });

  it('of another organisation is not there', async () => {
    await unreadable(one, 1);
    const { id = '' } = (await page()).items[0] ?? {};
    const other = await Tenant.create(fresh('vps'));
    for (const [method, path] of [
      ['GET', id],
      ['POST', `${id}/replay`],
      ['POST', `${id}/drop`],
    ] as const) {
      expect(await code(await other.call(method, `/deadletters/${path}`))).toEqual([404, 'not_found']);
    }
    expect((await page()).items).toHaveLength(1);
  });
});
