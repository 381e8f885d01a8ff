import { runInDurableObject } from 'cloudflare:test';
import { type Problem, SECRET_BYTES_MAX, type SecretSummary } from '@clawdbot/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { Peer, stubOf } from '../channel/channel.fixture.ts';
import { fresh, Tenant } from '../edge.fixture.ts';

const VALUE = 'whsec_Zoë\nsecond line';
const vps = fresh('vps');
let tenant: Tenant;
beforeAll(async () => {
  tenant = await Tenant.create(vps);
});

async function madeSite(): Promise<string> {
  const id = fresh('shop');
  expect((await tenant.call('POST', '/sites', { body: { id } })).status).toBe(201);
  return id;
}
const put = (site: string, name: string, value: unknown, role: 'admin' | 'member' = 'admin') =>
  tenant.call('PUT', `/sites/${site}/secrets/${name}`, { body: { value }, role });
const listed = async (site: string) =>
  (
    await (
      await tenant.call('GET', `/sites/${site}/secrets`, { role: 'viewer' })
    ).json<{
      items: SecretSummary[];
    }>()
  ).items;
const refused = async (response: Response): Promise<[number, string]> => [
  response.status,
  (await response.json<Problem>()).code,
];

/** What the orchestrator is answered. */
async function fetched(siteId: string, name: string) {
  const peer = await Peer.connect(vps, {}, tenant.orgId);
  peer.send({ type: 'get_secret', id: 1, siteId, name });
  for (;;) {
    const frame = await peer.frame();
    if (frame.type !== 'secret' && frame.type !== 'error') continue;
    peer.close(1000, '');
    return frame;
  }
}

describe('a secret', () => {
  it('is set, set again, listed without its value, and deleted', async () => {
    const site = await madeSite();
    const first = await put(site, 'SHOP.key-1', VALUE);
    expect([first.status, await first.text()]).toEqual([201, '']);
    const [before] = await listed(site);
    expect(before).toEqual({
      name: 'SHOP.key-1',
      version: expect.any(Number),
      updatedAt: expect.any(Number),
      updatedBy: `admin@${tenant.orgId}`,
    });
    expect((await put(site, 'SHOP.key-1', 'other')).status).toBe(204);
    expect((await put(site, 'A', 'a')).status).toBe(201);
    const after = await listed(site);
    expect(after.map(({ name }) => name)).toEqual(['A', 'SHOP.key-1']);
    expect(after[1]?.version).toBeGreaterThan(before?.version ?? 0);
    expect((await tenant.call('DELETE', `/sites/${site}/secrets/A`)).status).toBe(204);
    expect(await refused(await tenant.call('DELETE', `/sites/${site}/secrets/A`))).toEqual([
      404,
      'not_found',
    ]);
    expect(await listed(site)).toHaveLength(1);
  });

  it('is read by its orchestrator alone, in its newest version', async () => {
    const site = await madeSite();
    await put(site, 'key', 'old');
    await put(site, 'key', VALUE);
    const [{ version } = { version: 0 }] = await listed(site);
    expect(await fetched(site, 'key')).toEqual({ type: 'secret', id: 1, value: VALUE, version });
  });

  it('that is not set is an error that says how to set it, and of a site elsewhere there is none', async () => {
    const site = await madeSite();
    expect(await fetched(site, 'key')).toMatchObject({
      type: 'error',
      error: { code: 'secret_missing', message: expect.stringContaining(`clawctl secrets set ${site} key`) },
    });
    const other = await Tenant.create(fresh('vps'));
    const elsewhere = fresh('shop');
    await other.call('POST', '/sites', { body: { id: elsewhere } });
    await other.call('PUT', `/sites/${elsewhere}/secrets/key`, { body: { value: 'theirs' } });
    expect(await fetched(elsewhere, 'key')).toMatchObject({ type: 'error', error: { code: 'not_found' } });
  });

  it('is never in the object’s database as it is, and cannot be moved to another name or site', async () => {
    const [site, another] = [await madeSite(), await madeSite()];
    await put(site, 'key', VALUE);
    await put(another, 'key', 'another');
    await runInDurableObject(stubOf(vps), (_object, { storage }) => {
      const rows = storage.sql.exec<{ sealed: ArrayBuffer }>(`SELECT sealed FROM secrets`).toArray();
      expect(rows.length).toBeGreaterThan(1);
      for (const { sealed } of rows) expect(new TextDecoder().decode(sealed)).not.toContain('whsec');
      storage.sql.exec(
        `UPDATE secrets SET (sealed, version) = (SELECT sealed, version FROM secrets WHERE site_id = ?)
         WHERE site_id = ?`,
        site,
        another,
      );
    });
    expect(await fetched(another, 'key')).toMatchObject({ type: 'error', error: { code: 'secret_missing' } });
    expect(await fetched(site, 'key')).toMatchObject({ value: VALUE });
  });

  it('goes with its site, and does not come back with a new one of that id', async () => {
    const site = await madeSite();
    await put(site, 'key', VALUE);
    await tenant.call('DELETE', `/sites/${site}`);
    await tenant.call('POST', '/sites', { body: { id: site } });
    expect(await listed(site)).toEqual([]);
  });

  it('of two that are set at the same time stays the one that came last', async () => {
    const site = await madeSite();
    const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => put(site, 'key', `value ${n}`)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    const [kept] = await listed(site);
    await put(site, 'other', 'x');
    const other = (await listed(site)).find(({ name }) => name === 'other');
    expect(kept?.version).toBe((other?.version ?? 0) - 1);
  });

  it('is set and deleted by owners and admins alone, in their own organisation', async () => {
    const site = await madeSite();
    expect(await refused(await put(site, 'key', 'x', 'member'))).toEqual([403, 'forbidden']);
    const asMember = { role: 'member' as const };
    expect(await refused(await tenant.call('DELETE', `/sites/${site}/secrets/key`, asMember))).toEqual([
      403,
      'forbidden',
    ]);
    const other = await Tenant.create(fresh('vps'));
    for (const response of [
      await other.call('PUT', `/sites/${site}/secrets/key`, { body: { value: 'x' } }),
      await other.call('GET', `/sites/${site}/secrets`),
      await other.call('DELETE', `/sites/${site}/secrets/key`),
    ]) {
      expect(await refused(response)).toEqual([404, 'not_found']);
    }
  });

  it.each<[string, unknown, RegExp]>([
    ['key', '', /^value: /],
    ['key', 7, /^value: expected string/],
    ['key', 'ä'.repeat(SECRET_BYTES_MAX / 2 + 1), /^value: expected at most 65536 bytes of UTF-8$/],
    ['key', '\ud800', /^value: expected text without half surrogate pairs$/],
    ['-key', 'x', /^name: expected a secret’s name/],
    ['key.', 'x', /^name: expected a secret’s name/],
    ['a'.repeat(101), 'x', /^name: expected a secret’s name/],
  ])(
    '%s with a bad name or value is refused, and the value is not in the answer',
    async (name, value, detail) => {
      const site = await madeSite();
      const response = await put(site, name, value);
      expect(response.status).toBe(400);
      expect((await response.json<Problem>()).detail).toMatch(detail);
      expect(await listed(site)).toEqual([]);
    },
  );

  it('of the greatest size that is allowed comes through', async () => {
    const site = await madeSite();
    const value = 'ä'.repeat(SECRET_BYTES_MAX / 2);
    expect((await put(site, 'key', value)).status).toBe(201);
    expect(JSON.stringify(await fetched(site, 'key')).includes(value)).toBe(true);
  });
});
