import { evictDurableObject } from 'cloudflare:test';
import { type ErrorCode, Failure } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { fresh } from '../edge.fixture.ts';
import { channelOf, Peer, stubOf, value } from './channel.fixture.ts';
import { outcomeOfFailure, outcomeOfStatus } from './outcome.ts';
import type { RelayCall, RelayReply } from './relay-rpc.ts';
import { type GetTally, Tallies } from './tallies.ts';

const NONE = { answered: 0, failed: 0, apart: 0 };

const callOf = (workerVersion?: string, siteId = 'shop'): RelayCall => ({
  requestId: 'r',
  target: 'upstream',
  siteId,
  method: 'GET',
  url: '/',
  headers: [],
  body: null,
  deadlineMs: 5_000,
  ...(workerVersion === undefined ? {} : { workerVersion }),
});

/** A count of whose clock, and of whose requests' ends, the test is master. */
function counting() {
  const clock = { now: 1_000 };
  const tallies = new Tallies(() => clock.now);
  const relay = async (siteId: string, workerVersion: string | undefined, end: number | Failure) => {
    const call = callOf(workerVersion, siteId);
    const relayed = async (): Promise<RelayReply> => {
      if (end instanceof Failure) throw end;
      return { status: end, headers: [], body: null };
    };
    return tallies.relay(call, { relay: relayed }).catch((thrown: unknown) => thrown);
  };
  const ask = (more: Partial<GetTally> = {}) => {
    const {
      type: _,
      id: __,
      ...tally
    } = tallies.tally({
      ...{ type: 'get_tally', id: 1, siteId: 'shop', window: 'one', version: 'new', before: 'old' },
      ...more,
    });
    return tally;
  };
  return { clock, tallies, relay, ask };
}

describe('what the end of a request says of the version that sent it', () => {
  it.each([
    [200, 'answered'],
    [302, 'answered'],
    [400, 'failed'],
    [404, 'failed'],
    [429, 'apart'],
    [500, 'failed'],
    [503, 'failed'],
  ])('an answer with %i: %s', (status, outcome) => {
    expect(outcomeOfStatus(status)).toBe(outcome);
  });

  it.each<[ErrorCode, string]>([
    ['bad_request', 'failed'],
    ['not_found', 'failed'],
    ['signature_invalid', 'failed'],
    ['too_large', 'failed'],
    ['orchestrator_away', 'apart'],
    ['orchestrator_lost', 'apart'],
    ['upstream_failed', 'apart'],
    ['deadline_exceeded', 'apart'],
    ['rate_limited', 'apart'],
    ['site_paused', 'apart'],
    ['overloaded', 'apart'],
    ['internal', 'apart'],
  ])('%s of ours: %s', (code, outcome) => {
    expect(outcomeOfFailure(new Failure(code, ''))).toBe(outcome);
  });

  it('a bug of ours: apart', () => {
    expect(outcomeOfFailure(new TypeError())).toBe('apart');
  });
});

describe('a count of relayed requests', () => {
  it('is by the version that each names, from when it was first asked for', async () => {
    const { clock, relay, ask } = counting();
    await relay('shop', 'new', 500);
    expect(ask()).toEqual({ since: 1_000, at: 1_000, version: NONE, before: NONE, others: NONE });
    clock.now = 9_000;
    await relay('shop', 'new', 200);
    await relay('shop', 'new', 404);
    await relay('shop', 'old', 200);
    await relay('shop', undefined, 500);
    await relay('shop', 'older', new Failure('orchestrator_away', ''));
    await relay('other', 'new', 500);
    expect(ask()).toEqual({
      ...{ since: 1_000, at: 9_000, version: { answered: 1, failed: 1, apart: 0 } },
      ...{ before: { ...NONE, answered: 1 }, others: { ...NONE, failed: 1, apart: 1 } },
    });
  });

  it('hands on what it counts as it came', async () => {
    const { relay, ask } = counting();
    ask();
    const failure = new Failure('upstream_failed', 'x');
    expect(await relay('shop', 'new', failure)).toBe(failure);
    expect(await relay('shop', 'new', 201)).toMatchObject({ status: 201 });
  });

  it('has a stored request by the first that is told of its receipt, not by what its customer was answered', async () => {
    const { tallies, ask } = counting();
    ask();
    const store = async (id: string, status: number) => {
      const call = callOf('new');
      const relay = async (): Promise<RelayReply> => {
        tallies.stored(id, call);
        return { status, headers: [], body: null, isStored: true };
      };
      await tallies.relay(call, { relay });
    };
    for (const id of ['delivered', 'refused', 'unanswered', 'waits']) await store(id, 202);
    expect(ask().version).toEqual(NONE);
    tallies.reported({ receiptId: 'delivered', status: 200 });
    tallies.reported({ receiptId: 'refused', status: 422 });
    tallies.reported({ receiptId: 'refused', status: 422 });
    tallies.reported({ receiptId: 'unanswered' });
    tallies.reported({ receiptId: 'another', status: 500 });
    expect(ask().version).toEqual({ answered: 1, failed: 1, apart: 1 });
  });

  it('is one of several of a site, each with its own versions', async () => {
    const { relay, ask } = counting();
    ask();
    ask({ window: 'two', version: 'tag-2', before: 'tag-1' });
    await relay('shop', 'tag-2', 200);
    expect(ask({ window: 'two' }).version).toEqual({ ...NONE, answered: 1 });
    expect(ask().others).toEqual({ ...NONE, answered: 1 });
  });

  it('is forgotten when nobody asks any more, and there are no more than 1,000', async () => {
    const { clock, ask } = counting();
    for (let n = 0; n < 1_000; n++) ask({ siteId: `shop-${n}` });
    expect(() => ask()).toThrow(expect.objectContaining({ code: 'overloaded' }));
    clock.now += 100_000;
    ask({ siteId: 'shop-7' });
    clock.now += 100_000;
    expect(ask().since).toBe(clock.now);
    expect(ask({ siteId: 'shop-7' }).since).toBe(1_000);
    expect(ask({ siteId: 'shop-8' }).since).toBe(clock.now);
  });

  it('costs a site nothing that nobody asks for, or no more: its answer is the very promise of the relay', () => {
    const { clock, tallies, ask } = counting();
    ask();
    const reply = Promise.resolve<RelayReply>({ status: 200, headers: [], body: null });
    const relay = (siteId: string) => tallies.relay(callOf('new', siteId), { relay: () => reply });
    expect(relay('other')).toBe(reply);
    expect(relay('shop')).not.toBe(reply);
    clock.now += 121_000;
    expect(relay('shop')).toBe(reply);
  });
});

describe('PROTOCOL C15: get_tally', () => {
  const asking = { type: 'get_tally', siteId: 'shop', window: 'one', version: 'new' } as const;

  it('is answered on each lane with what that lane has counted', async () => {
    const vps = fresh('vps');
    const control = await Peer.connect(vps, { lanes: 2 });
    const one = await Peer.join(vps, 1);
    for (const peer of [control, one]) {
      peer.send({ ...asking, id: 1 });
      expect(await peer.next('tally')).toMatchObject({ id: 1, version: NONE, others: NONE });
    }
    const answered = channelOf(vps, 1).relay(callOf('new'));
    const { id } = await one.next('request');
    one.send({ type: 'response', id, status: 500, headers: [], body: { kind: 'none' } });
    expect(value(await answered).status).toBe(500);
    one.send({ ...asking, id: 3 });
    expect(await one.next('tally')).toMatchObject({ id: 3, version: { ...NONE, failed: 1 } });
    control.send({ ...asking, id: 3 });
    expect(await control.next('tally')).toMatchObject({ id: 3, version: NONE });
  });

  it('shows by its beginning that an object has slept, and lost its count', async () => {
    const vps = fresh('vps');
    const peer = await Peer.connect(vps);
    peer.send({ ...asking, id: 1 });
    const { since } = await peer.next('tally');
    await evictDurableObject(stubOf(vps), { webSockets: 'hibernate' });
    peer.send({ ...asking, id: 3 });
    const again = await peer.next('tally');
    expect(again.since).toBeGreaterThanOrEqual(since);
    expect(again.since).toBe(again.at);
  });
});
