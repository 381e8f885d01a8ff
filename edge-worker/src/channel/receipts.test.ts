import { Failure, PARCEL_KEPT_MS, RECEIPT_KEPT_MS, RECEIPT_KEY_MS } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { type OwnParts, withObject } from './object.fixture.ts';
import { Receipts } from './receipts.ts';

const HOUR_MS = 3_600_000;
const parcel = { sha256: 'f'.repeat(64), bytes: 100 };
const idOf = (n: number) => `rcpt_vps_${String(n).padStart(16, '0')}`;

/** Receipts over an object's own database, their parcels counted. */
function build({ sql, meta, clock }: OwnParts, bounds: { rowsMax?: number; bytesMax?: number } = {}) {
  const kept = new Set<string>();
  const parcels = { put: (id: string) => void kept.add(id), drop: (id: string) => void kept.delete(id) };
  const keepMs = (siteId: string) => (siteId === 'brief' ? 5_000 : PARCEL_KEPT_MS);
  const receipts = new Receipts({ sql, meta, parcels, now: () => clock.now, keepMs, ...bounds });
  const take = (n: number, key?: string, siteId = 'shop') => {
    const asked = { id: idOf(n), siteId, route: '/hooks/*', seq: n, parcel, key };
    receipts.insert({ ...asked, expiresAt: clock.now + HOUR_MS }, []);
    return idOf(n);
  };
  const report = (
    receiptId: string,
    state: 'retrying' | 'delivered' | 'dead' | 'expired',
    more: object = {},
  ) => {
    receipts.acknowledged(99); // By then the VPS has its entry.
    receipts.report({ type: 'receipt', receiptId, at: 1, attempts: 1, state, ...more });
  };
  const states = (id: string) => receipts.get(id).receipt.history.map(({ state }) => state);
  return { receipts, kept, take, report, states, clock };
}

describe('a receipt', () => {
  it('is stored, on the VPS when that has acknowledged it, and then delivered', () =>
    withObject((parts) => {
      const { receipts, take, report, states } = build(parts);
      const [first, second] = [take(1), take(2)];
      receipts.acknowledged(1);
      receipts.acknowledged(1);
      expect([receipts.state(first), receipts.state(second)]).toEqual(['on_vps', 'stored']);
      report(first, 'delivered', { status: 201 });
      expect(receipts.get(first).receipt).toMatchObject({ state: 'delivered', status: 201, attempts: 1 });
      expect(states(first)).toEqual(['stored', 'on_vps', 'delivered']);
    }));

  it('has no entry while its site is being moved, and so is neither acknowledged nor offered again', () =>
    withObject((parts) => {
      const { receipts, take } = build(parts);
      const held = take(0);
      receipts.acknowledged(99);
      expect([receipts.state(held), receipts.openBefore(99)]).toEqual(['stored', []]);
      expect(receipts.held('shop', 10).map(({ receipt }) => receipt.id)).toEqual([held]);
      receipts.moveTo(held, 7);
      receipts.acknowledged(7);
      expect([receipts.state(held), receipts.held('shop', 10)]).toEqual(['on_vps', []]);
    }));

  it('tells of attempts that failed, and why, while it is open', () =>
    withObject((parts) => {
      const { receipts, take, report } = build(parts);
      const id = take(1);
      report(id, 'retrying', { attempts: 3, status: 503, error: 'the upstream answered 503' });
      expect(receipts.get(id).receipt).toMatchObject({ attempts: 3, lastError: 'the upstream answered 503' });
      report(id, 'dead', { attempts: 5, error: 'the upstream answered 400' });
      report(id, 'retrying', { attempts: 9 });
      expect(receipts.get(id).receipt).toMatchObject({ state: 'dead', attempts: 5 });
    }));

  it.each([
    ['expired', 'delivered', 'delivered'],
    ['dead', 'delivered', 'delivered'],
    ['dead', 'expired', 'dead'],
    ['delivered', 'dead', 'delivered'],
  ] as const)('R7: that is %s and then told of as %s is %s', (first, then, is) =>
    withObject((parts) => {
      const { receipts, take, report } = build(parts);
      const id = take(1);
      report(id, first);
      report(id, then);
      expect(receipts.state(id)).toBe(is);
    }),
  );

  it.each(['expired', 'dead', 'retrying'] as const)(
    'R7: that was asked for again does not end by what its former delivery has come to: %s',
    (state) =>
      withObject((parts) => {
        const { receipts, take, clock } = build(parts);
        const id = take(1);
        receipts.acknowledged(1);
        clock.now += HOUR_MS;
        receipts.sweep();
        receipts.again(id, { seq: 2, expiresAt: clock.now + HOUR_MS, reason: 'asked for by op' });
        // The VPS was away all that time, and says this before it has the new entry.
        const late = { type: 'receipt', receiptId: id, at: 1, attempts: 1 } as const;
        receipts.report({ ...late, state });
        expect(receipts.get(id).receipt).toMatchObject({ state: 'stored', attempts: 0 });
        receipts.report({ ...late, state: 'delivered' });
        expect(receipts.state(id)).toBe('delivered');
      }),
  );

  it('that nobody knows changes nothing', () =>
    withObject((parts) => {
      const { receipts, report } = build(parts);
      report(idOf(9), 'delivered');
      expect(() => receipts.get(idOf(9))).toThrow(Failure);
    }));

  it('is found by the customer’s key for 24 h', () =>
    withObject((parts) => {
      const { receipts, take, clock } = build(parts);
      const id = take(1, 'key-1');
      clock.now += RECEIPT_KEY_MS - 1;
      expect([receipts.byKey('key-1'), receipts.byKey('key-2'), receipts.byKey(undefined)]).toEqual([
        id,
        undefined,
        undefined,
      ]);
      clock.now += 1;
      expect(receipts.byKey('key-1')).toBeUndefined();
    }));
});

describe('the sweep', () => {
  it('ends what could not be delivered in time; what was sent goes 7 days later, the receipt 30 days after that', () =>
    withObject((parts) => {
      const { receipts, take, kept, clock } = build(parts);
      const id = take(1);
      clock.now += HOUR_MS;
      receipts.sweep();
      expect([receipts.state(id), kept.has(id)]).toEqual(['expired', true]);
      clock.now += PARCEL_KEPT_MS;
      receipts.sweep();
      expect([receipts.state(id), kept.has(id), receipts.get(id).kept]).toEqual(['expired', false, false]);
      clock.now += RECEIPT_KEPT_MS;
      receipts.sweep();
      expect(receipts.find(id)).toBeUndefined();
      expect([parts.meta.number('receipts'), parts.meta.number('parcels_bytes')]).toEqual([0, 0]);
    }));

  it('lets go of what was sent as soon as the site says', () =>
    withObject((parts) => {
      const { receipts, take, report, kept, clock } = build(parts);
      const id = take(1, undefined, 'brief');
      report(id, 'delivered');
      expect(receipts.get(id).receipt.keptUntil).toBe(clock.now + 5_000);
      clock.now += 5_000;
      receipts.sweep();
      expect([kept.has(id), receipts.state(id)]).toEqual([false, 'delivered']);
    }));

  it('is asked for once, at most every minute, and again when something is due before', () =>
    withObject((parts) => {
      const { receipts, take, clock } = build(parts);
      expect(receipts.nextDue()).toBeUndefined();
      take(1);
      expect(receipts.nextDue()).toBe(clock.now + HOUR_MS);
      take(2);
      expect(receipts.nextDue()).toBeUndefined();
      clock.now += HOUR_MS - 1;
      receipts.sweep();
      expect(receipts.nextDue()).toBe(clock.now + 60_000);
    }));
});

describe('an erasure', () => {
  it('leaves a tombstone, which nothing brings back', () =>
    withObject((parts) => {
      const { receipts, take, kept, report, states } = build(parts);
      const id = take(1, 'key-1');
      receipts.erase(id, 'op');
      report(id, 'delivered', { error: 'zoe@example.com' });
      receipts.erase(id, 'op');
      expect([receipts.state(id), kept.has(id), receipts.byKey('key-1')]).toEqual([
        'erased',
        false,
        undefined,
      ]);
      expect([states(id), receipts.get(id).receipt.lastError]).toEqual([['stored', 'erased'], undefined]);
    }));
});

describe('a full store', () => {
  it.each([{ rowsMax: 3 }, { bytesMax: 300 }])(
    'lets go of what ended first, and refuses when all is open: %o',
    (bounds) =>
      withObject((parts) => {
        const { receipts, take, report, kept } = build(parts, bounds);
        const ids = [take(1), take(2), take(3)];
        expect(() => take(4)).toThrow(expect.objectContaining({ code: 'log_full' }));
        report(ids[1] ?? '', 'delivered');
        take(4);
        expect([...kept]).toEqual([idOf(1), idOf(3), idOf(4)]);
        expect(receipts.find(ids[1] ?? '')).toBeUndefined();
      }),
  );
});
