import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { Peer } from './channel/channel.fixture.ts';
import { fresh, Tenant } from './edge.fixture.ts';
import { servicesOf } from './services.ts';
import { sweep } from './sweep.ts';

const tasks: Promise<unknown>[] = [];
const services = servicesOf(env, { waitUntil: (task) => void tasks.push(task) });

/** An organisation that is an agency of the existing API, with an orchestrator that is connected. */
async function connected() {
  const vps = fresh('swept');
  const tenant = await Tenant.create(vps);
  const peer = await Peer.connect(vps);
  const name = (text: string) =>
    env.DB.prepare('INSERT OR REPLACE INTO agencies (id, name) VALUES (?, ?)').bind(tenant.orgId, text).run();
  const told = async () => {
    const { seq, body } = await peer.next('entry');
    peer.send({ type: 'ack', log: 'control', applied: seq });
    return JSON.parse(body);
  };
  return { vps, tenant, name, told };
}

describe('the cron', () => {
  it('brings changes of shared rows that nobody nudged, and wakes no object that has them', async () => {
    const { vps, tenant, name, told } = await connected();
    await name('one');
    await sweep(services);
    expect(await told()).toMatchObject({ type: 'row_changed', table: 'agencies', row: { name: 'one' } });
    await expect
      .poll(async () => {
        const woken: string[] = [];
        const channel: typeof services.channel = (id, lane) => {
          woken.push(id);
          return services.channel(id, lane);
        };
        await sweep({ ...services, channel });
        return woken;
      })
      .not.toContain(vps);
    await name('two');
    await sweep(services);
    expect(await told()).toMatchObject({ key: tenant.orgId, row: { name: 'two' } });
  });

  it('does all else when one thing cannot be done, and fails', async () => {
    const { name, told } = await connected();
    await name('one');
    const prepare = (sql: string) => {
      if (sql.includes('orc_orchestrator_keys')) throw new Error('no such column: cut_at');
      return env.DB.prepare(sql);
    };
    const db = Object.assign(Object.create(env.DB), { prepare });
    await expect(sweep({ ...services, db })).rejects.toThrow('no such column');
    expect(await told()).toMatchObject({ row: { name: 'one' } });
  });

  it('deletes events that are older than 90 days, in chunks', async () => {
    const day = 24 * 60 * 60 * 1_000;
    const org = fresh('org');
    await env.DB.prepare(
      `INSERT INTO orc_events (id, org_id, orchestrator_id, site_id, type, data, created_at, received_at)
       SELECT 'evt_' || value, ?1, 'v', 's', 'health_check', '{}', '', CASE WHEN key < 5000 THEN ?2 ELSE ?3 END
       FROM json_each(?4)`,
    )
      .bind(
        org,
        Date.now() - 91 * day,
        Date.now() - 89 * day,
        JSON.stringify(Array.from({ length: 5_003 }, (_, n) => `${org}-${n}`)),
      )
      .run();
    await sweep(services);
    const left = await env.DB.prepare('SELECT COUNT(*) AS n FROM orc_events WHERE org_id = ?')
      .bind(org)
      .first('n');
    expect(left).toBe(3);
  });
});

describe('POST /sync', () => {
  it('brings changes of shared rows at once, for whoever may change something', async () => {
    const { tenant, name, told } = await connected();
    await name('one');
    expect((await tenant.call('POST', '/sync', { role: 'viewer' })).status).toBe(403);
    expect((await tenant.call('POST', '/sync', { role: 'member' })).status).toBe(202);
    expect(await told()).toMatchObject({ row: { name: 'one' } });
  });
});
