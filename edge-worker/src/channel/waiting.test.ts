import { runInDurableObject } from 'cloudflare:test';
import { decodeParcel, sha256Of, type Webhook } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { entry, type Peer, stubOf, value } from './channel.fixture.ts';
import { builder, header, pull, text, ticketOf, webhook } from './door.fixture.ts';

const build = builder('waiting');

describe('while the orchestrator is there', () => {
  it('R3, R5: the upstream’s own answer is handed on, and settles the receipt', async () => {
    const { call, channel, connect } = await build();
    const peer = await connect();
    const asked = call();
    const { receiptId, seq, parcel, ...rest } = await webhook(peer);
    expect(JSON.stringify(rest)).not.toContain('zoe');
    peer.send({ type: 'ack', log: 'queue', applied: seq });
    const bytes = await pull(peer, { receiptId, parcel } as Webhook);
    expect([bytes.length, sha256Of(bytes)]).toEqual([parcel.bytes, parcel.sha256]);
    const { head, body } = decodeParcel(bytes);
    expect(head).toMatchObject({ method: 'POST', headers: [['x-name', 'zoe']] });
    expect(new TextDecoder().decode(body ?? undefined)).toBe('mail=zoe@example.com');
    const answer = {
      status: 404,
      headers: [['x-a', '1']] as [string, string][],
      body: btoa('no such order'),
    };
    peer.send({ type: 'receipt_answer', id: 3, receiptId, attempts: 1, answer });
    expect((await peer.next('end')).id).toBe(3);
    const reply = value(await asked);
    expect([reply.status, header(reply, 'x-a'), text(reply)]).toEqual([404, '1', 'no such order']);
    const states = value(await channel.receipt(receiptId)).history.map(({ state }) => state);
    expect(states).toEqual(['stored', 'on_vps', 'delivered']);
    // Settled: there is nothing to deliver any more.
    peer.send({ type: 'blob', id: 5, sha256: parcel.sha256, part: 0, receiptId });
    expect((await peer.next('error')).error.code).toBe('not_found');
  });

  it('R5: an answer for which nobody waits any more settles nothing', async () => {
    const { call, channel, connect } = await build({ respond: 'accepted' });
    const peer = await connect();
    const { receiptId } = ticketOf(value(await call()));
    const answer = { status: 404, headers: [] };
    peer.send({ type: 'receipt_answer', id: 3, receiptId, attempts: 1, answer });
    expect((await peer.next('error')).error.code).toBe('not_found');
    expect(value(await channel.receipt(receiptId)).state).toBe('stored');
  });

  it.each([
    [
      'it will not be delivered now',
      (peer: Peer, { receiptId }: Webhook) =>
        peer.send({ type: 'receipt_answer', id: 3, receiptId, attempts: 1 }),
    ],
    [
      'its attempt has failed',
      (peer: Peer, { receiptId }: Webhook) =>
        peer.send(entry(1, { type: 'receipt', receiptId, at: 1, attempts: 1, state: 'retrying' }, 'queue')),
    ],
    ['the socket is lost', (peer: Peer) => peer.close(1001, 'gone')],
    ['the orchestrator drains', (peer: Peer) => peer.send({ type: 'drain', reason: 'stopping' })],
  ])('R6: who waits gets the receipt as soon as %s', async (_, then) => {
    const { call, connect } = await build();
    const peer = await connect();
    const asked = call();
    const hook = await webhook(peer);
    then(peer, hook);
    expect(ticketOf(value(await asked)).receiptId).toBe(hook.receiptId);
  });

  it('who waits gets the receipt when the route’s time is up', async () => {
    const { call, connect } = await build({ timeoutMs: 100 });
    await connect();
    expect(value(await call()).status).toBe(202);
  });

  it('R9: a database that is new is offered all that is open, and finds the rest settled', async () => {
    const { call, connect, channel } = await build({ respond: 'accepted' });
    const first = await connect();
    const [one, two] = [ticketOf(value(await call())), ticketOf(value(await call()))];
    const [hook] = [await webhook(first), await webhook(first)];
    first.send({ type: 'ack', log: 'queue', applied: 2 });
    first.send(
      entry(
        1,
        { type: 'receipt', receiptId: one.receiptId, at: 1, attempts: 1, state: 'delivered' },
        'queue',
      ),
    );
    await first.next('ack');
    await channel.release();
    const second = await connect({
      instanceId: 'process-b',
      logs: {
        control: { logId: 'another-log', oldest: 1, last: 0, applied: 0 },
        queue: { logId: 'another-queue', oldest: 1, last: 0, applied: 0 },
      },
    });
    expect([(await webhook(second)).receiptId, (await webhook(second)).receiptId]).toEqual([
      one.receiptId,
      two.receiptId,
    ]);
    second.send({
      type: 'blob',
      id: 1,
      sha256: hook?.parcel.sha256 ?? '',
      part: 0,
      receiptId: one.receiptId,
    });
    expect((await second.next('error')).error.code).toBe('not_found');
  });

  it('R9: a database that is new is offered anew what is open and no longer in the log', async () => {
    const { vps, call, connect, channel } = await build({ respond: 'accepted' });
    const first = await connect();
    const { receiptId } = ticketOf(value(await call()));
    const hook = await webhook(first);
    first.send({ type: 'ack', log: 'queue', applied: hook.seq });
    await expect.poll(async () => value(await channel.receipt(receiptId)).state).toBe('on_vps');
    await runInDurableObject(stubOf(vps), (_, { storage: { sql } }) => {
      sql.exec(`DELETE FROM log_outbox WHERE log = 'queue'`);
    });
    await channel.release();
    const logs = {
      control: { logId: 'another-log', oldest: 1, last: 0, applied: 0 },
      queue: { logId: 'another-queue', oldest: 1, last: 0, applied: 0 },
    };
    const second = await connect({ instanceId: 'process-b', logs });
    const again = await webhook(second);
    expect([again.receiptId, again.seq]).toEqual([receiptId, hook.seq + 1]);
    expect((await pull(second, again)).length).toBe(hook.parcel.bytes);
  });
});

describe('a stored request that is counted', () => {
  it('C15: counts by the answer that is handed on, or by what is reported, and not by its ticket', async () => {
    const { call, connect } = await build();
    const peer = await connect();
    const tally = async () => {
      peer.send({ type: 'get_tally', id: 1, siteId: 'shop', window: 'w', version: 'new' });
      const { version, others } = await peer.next('tally');
      return { version, others };
    };
    const none = { answered: 0, failed: 0, apart: 0 };
    expect(await tally()).toEqual({ version: none, others: none });
    const handedOn = call({ workerVersion: 'new' });
    const { receiptId } = await webhook(peer);
    const refused = { status: 422, headers: [] };
    peer.send({ type: 'receipt_answer', id: 3, receiptId, attempts: 1, answer: refused });
    expect(value(await handedOn).status).toBe(422);
    const ticket = call({ workerVersion: 'new' });
    const later = await webhook(peer);
    const report = { type: 'receipt', receiptId: later.receiptId, at: 1, attempts: 1, state: 'retrying' };
    peer.send(entry(1, { ...report, status: 500 }, 'queue'));
    expect(value(await ticket).status).toBe(202);
    expect(await tally()).toEqual({ version: { ...none, failed: 2 }, others: none });
  });
});
