import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { isMoveOver, json, type Receipt, type SiteMove } from '@clawdbot/protocol';
import { expect, vi } from 'vitest';
import { channelOf, stubOf, value } from '../channel.fixture.ts';
import type { RelayCall } from '../relay-rpc.ts';
import { Vps } from './vps.fixture.ts';

let count = 0;

/** Two orchestrators of one organisation, the first of which has a site. */
export class Scene {
  readonly orgId: string;
  readonly siteId: string;
  readonly from: Vps;
  readonly to: Vps;

  private constructor(name: string) {
    this.orgId = `org-of-${name}`;
    this.siteId = `shop-of-${name}`;
    this.from = new Vps(`from-${name}`, this.orgId);
    this.to = new Vps(`to-${name}`, this.orgId);
  }

  /** @param prefix the test file's own: files share a D1 */
  static async make(prefix: string): Promise<Scene> {
    const scene = new Scene(`${prefix}-${++count}`);
    const { orgId, siteId, from, to } = scene;
    const insert = (sql: string, ...values: unknown[]) =>
      env.DB.prepare(sql)
        .bind(...values)
        .run();
    await insert('INSERT INTO orc_organisations VALUES (?, ?, 0)', orgId, 'Test');
    for (const { id } of [from, to])
      await insert('INSERT INTO orc_orchestrators VALUES (?, ?, 1, 0)', id, orgId);
    await insert(
      'INSERT INTO orc_sites (id, org_id, orchestrator_id, name, created_at) VALUES (?, ?, ?, ?, 0)',
      ...[siteId, orgId, from.id, siteId],
    );
    const channel = channelOf(from.id);
    value(await channel.putSite(siteId, { paused: false, orgId }));
    const route = { path: '/hooks/*', upstream: 'http://127.0.0.1:9', offline: 'queue', respond: 'accepted' };
    const edit = { siteId, actor: 'op', payload: { base: 0, config: json.parse({ routes: [route] }) } };
    value(await channel.updateConfig(edit));
    value(await channel.putSecret({ siteId, name: 'key', value: 'sesame', actor: 'op' }));
    return scene;
  }

  /** A customer's request, sent to the object of that orchestrator. @returns its receipt */
  async post(at: Vps, body: string, more: Partial<RelayCall> = {}): Promise<string> {
    const call = {
      ...({ requestId: `request-${crypto.randomUUID()}`, target: 'upstream', siteId: this.siteId } as const),
      ...{ method: 'POST', url: '/hooks/lead', headers: [], body: new TextEncoder().encode(body) },
      deadlineMs: 10_000,
    };
    const { headers } = value(await channelOf(at.id).relay({ ...call, ...more }));
    return headers.find(([name]) => name === 'x-receipt-id')?.[1] ?? '';
  }

  async move(): Promise<SiteMove> {
    return value(await channelOf(this.from.id).moveSite(this.siteId, this.to.id, 'op'));
  }

  async cancel({ id }: Pick<SiteMove, 'id'>): Promise<SiteMove> {
    return value(await channelOf(this.from.id).cancelMove(id, 'op'));
  }

  async look({ id }: Pick<SiteMove, 'id'>): Promise<SiteMove> {
    return value(await channelOf(this.from.id).siteMove(id));
  }

  async over(move: SiteMove): Promise<SiteMove> {
    await becomes(async () => isMoveOver(await this.look(move)), true);
    return this.look(move);
  }

  async receipt(at: Vps, id: string): Promise<Receipt> {
    return value(await channelOf(at.id).receipt(id));
  }

  /** Pulls a parcel as an orchestrator does. @returns the body in it, or why there is none */
  pull(at: Vps, receiptId: string): Promise<string> {
    const found = [...this.from.got, ...this.to.got].find((webhook) => webhook.receiptId === receiptId);
    return at.pull(receiptId, found?.parcel.sha256 ?? 'f'.repeat(64));
  }

  /** The orchestrator that the site has in D1. */
  inD1(): Promise<unknown> {
    return env.DB.prepare('SELECT orchestrator_id FROM orc_sites WHERE id = ?')
      .bind(this.siteId)
      .first('orchestrator_id');
  }

  /** Of the last move away from `from`, as its object has it. */
  state(): Promise<unknown> {
    return runInDurableObject(
      stubOf(this.from.id),
      (_, { storage }) => storage.sql.exec(`SELECT state FROM departures`).toArray().at(-1)?.['state'],
    );
  }

  /** So much time has passed for the source's moves, and its alarm rings. */
  async later(ms: number): Promise<void> {
    await runInDurableObject(stubOf(this.from.id), (_, { storage }) => {
      storage.sql.exec(`UPDATE departures SET changed_at = changed_at - ?`, ms);
    });
    await runDurableObjectAlarm(stubOf(this.from.id));
  }
}

/** Also where tests run at the same time, which `expect.poll` does not know apart. */
export const becomes = (what: () => unknown, is: unknown, timeout = 8_000): Promise<void> =>
  vi.waitFor(async () => expect(await what()).toEqual(is), { timeout, interval: 20 });
