import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { listEvents } from '../data/events.ts';
import type { CommandFact } from './command-facts.ts';
import { CommandProjection } from './command-projection.ts';
import { breakable, eventAt, type OwnParts, withObject } from './object.fixture.ts';
import { Projector } from './projector.ts';

const commands = { unprojected: (): CommandFact[] => [], projected: (): void => undefined };
const bytesOf = (rows = '') => new TextEncoder().encode(rows).length;
const projectorOf = ({ projection, orchestratorId, orgId }: OwnParts, db = env.DB) =>
  new Projector({
    projections: [new CommandProjection(commands), projection],
    orchestratorId,
    orgId: () => orgId,
    db,
    onWritten: () => undefined,
  });
const inD1 = async ({ orgId }: OwnParts): Promise<number[]> => {
  const { items } = await listEvents(env.DB, orgId, { order: 'asc', limit: 2_000 });
  return items.map(({ data }) => Number(data['seq']));
};
const some = (parts: OwnParts, from: number, to: number, data: object = {}) =>
  Array.from({ length: to - from + 1 }, (_, n) => eventAt(parts, from + n, data));

describe('the projection of events to D1', () => {
  it('brings every event once, in order, however often it is repeated', () =>
    withObject(async (parts) => {
      parts.events.insertAll(some(parts, 1, 1_200));
      await projectorOf(parts).drain();
      parts.meta.set('events_projected', 0);
      await projectorOf(parts).drain();
      expect(await inD1(parts)).toEqual(some(parts, 1, 1_200).map(({ seq }) => seq));
      expect(parts.projection.unprojected).toBe(0);
    }));

  it('carries data of any size and content, in statements that D1 takes', () =>
    withObject(async (parts) => {
      const data = { text: '"\\€😀\u0000'.repeat(6_000), deep: [{ a: [null, 1.5, true] }] };
      parts.events.insertAll(some(parts, 1, 60, data));
      // D1's own limit on one bound parameter, which the local one does not enforce.
      const bytes = bytesOf(parts.projection.next()?.rows);
      expect(bytes).toSatisfy((size: number) => size > 500_000 && size < 2_000_000);
      await projectorOf(parts).drain();
      const { items } = await listEvents(env.DB, parts.orgId, { order: 'desc', limit: 1 });
      expect(items[0]?.data).toEqual({ seq: 60, ...data });
      expect(await inD1(parts)).toHaveLength(60);
    }));

  it('stays in that limit whichever column is long', () =>
    withObject((parts) => {
      const createdAt = `2026-01-01T00:00:00.${'0'.repeat(60_000)}Z`;
      parts.events.insertAll(some(parts, 1, 60).map((it) => ({ ...it, event: { ...it.event, createdAt } })));
      expect(bytesOf(parts.projection.next()?.rows)).toSatisfy(
        (size: number) => size > 0 && size < 2_000_000,
      );
    }));

  it('goes on while another projection fails, which is told at the end', () =>
    withObject(async (parts) => {
      parts.events.insertAll(some(parts, 1, 1_200));
      const broken = { statement: 'SELECT nonsense', next: () => ({ rows: '[]', done: () => undefined }) };
      const projector = new Projector({
        projections: [broken, parts.projection],
        orchestratorId: parts.orchestratorId,
        orgId: () => parts.orgId,
        db: env.DB,
        onWritten: () => undefined,
      });
      await expect(projector.drain()).rejects.toThrow('not all of D1');
      expect(await inD1(parts)).toHaveLength(1_200);
    }));

  it('fails with D1 and catches up from where it was', () =>
    withObject(async (parts) => {
      const db = breakable(env.DB);
      const projector = projectorOf(parts, db);
      parts.events.insertAll(some(parts, 1, 10));
      await projector.drain();
      db.broken = true;
      parts.events.insertAll(some(parts, 11, 20));
      await expect(projector.drain()).rejects.toThrow();
      expect(parts.projection.unprojected).toBe(10);
      expect(parts.events.last(20).map((event) => event.syncedToWorkers)).toEqual(
        some(parts, 1, 20).map(({ seq }) => seq <= 10),
      );
      db.broken = false;
      await projector.drain();
      expect(await inD1(parts)).toEqual(some(parts, 1, 20).map(({ seq }) => seq));
    }));

  it('lets what D1 has go after 24 hours, and keeps what it lacks', () =>
    withObject(async (parts) => {
      const { events, clock } = parts;
      events.insertAll(some(parts, 1, 5));
      await projectorOf(parts).drain();
      clock.now += 25 * 60 * 60 * 1_000;
      events.insertAll([eventAt(parts, 6)]);
      expect(events.last(10)).toHaveLength(6);
      await projectorOf(parts).drain();
      expect(events.last(10).map(({ data }) => data['seq'])).toEqual([6]);
      clock.now += 25 * 60 * 60 * 1_000;
      events.insertAll([eventAt(parts, 7)]);
      expect(events.last(10)).toHaveLength(2);
    }));
});

describe('how far D1 is, in the positions of the orchestrator’s log', () => {
  const log = 'log-of-the-vps';
  const fill = ({ inbox }: OwnParts, seqs: number) => {
    inbox.follow({ logId: log, oldest: 1 });
    const entry = (seq: number) => ({
      type: 'entry' as const,
      log: 'control' as const,
      seq,
      at: 1,
      body: '{}',
    });
    inbox.receive(Array.from({ length: seqs }, (_, n) => entry(n + 1)));
  };

  it('is the last event that D1 has; of another log it is nothing', () =>
    withObject(async (parts) => {
      parts.events.insertAll([eventAt(parts, 4), eventAt(parts, 9)]);
      expect(parts.projection.projected(log)).toBe(0);
      await projectorOf(parts).drain();
      expect(parts.projection.projected(log)).toBe(9);
      expect(parts.projection.projected('another-log')).toBe(0);
    }));

  it('is not past an entry that still waits to be handled', () =>
    withObject(async (parts) => {
      fill(parts, 5);
      for (const item of parts.inbox.pending(5, 0)) if (item.seq !== 3) parts.inbox.done(item);
      parts.events.insertAll([eventAt(parts, 2), eventAt(parts, 5)]);
      await projectorOf(parts).drain();
      expect(parts.projection.projected(log)).toBe(2);
    }));

  it('is not past one whose handling was tried again and that D1 does not have yet', () =>
    withObject(async (parts) => {
      const { events, projection } = parts;
      events.insertAll(some(parts, 1, 2));
      await projectorOf(parts).drain();
      events.insertAll(some(parts, 4, 603));
      events.insertAll([eventAt(parts, 3)]);
      const first = projection.next();
      first?.done();
      expect(projection.projected(log)).toBe(2);
      await projectorOf(parts).drain();
      expect(projection.projected(log)).toBe(603);
    }));
});

describe('the projection of commands to D1', () => {
  it('takes as many at a time as one statement holds, and each once', () => {
    const left = Array.from({ length: 500 }, (_, n) => longFact(n));
    const projection = new CommandProjection({
      unprojected: (limit) => left.slice(0, limit),
      projected: (facts) => void left.splice(0, facts.length),
    });
    const ids: string[] = [];
    for (let group = projection.next(); group !== undefined; group = projection.next()) {
      expect(bytesOf(group.rows)).toBeLessThan(2_000_000);
      ids.push(...JSON.parse(group.rows).map(({ id }: CommandFact) => id));
      group.done();
    }
    expect(ids).toEqual(Array.from({ length: 500 }, (_, n) => `cmd_${n}`));
  });
});

const longFact = (n: number): CommandFact => ({
  id: `cmd_${n}`,
  siteId: 'shop',
  type: 'deploy_worker',
  subject: 'w',
  state: 'failed',
  reason: null,
  createdBy: 'op',
  createdAt: 1,
  updatedAt: 2,
  expiresAt: null,
  error: '€'.repeat(10_000),
  version: 3,
});
