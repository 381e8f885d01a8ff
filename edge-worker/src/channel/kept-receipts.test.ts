import { describe, expect, it } from 'vitest';
import { entry, errorOf, value } from './channel.fixture.ts';
import { builder, pull, ticketOf, webhook } from './door.fixture.ts';

const build = builder('kept');

describe('a receipt', () => {
  it('is found by what stands in it, and erased with it', async () => {
    const { call, channel } = await build();
    const ids = [];
    for (const name of ['zoe', 'joe', 'zoe'])
      ids.push(
        ticketOf(value(await call({ headers: [['x-name', name]], body: null, url: `/hooks/${name}` })))
          .receiptId,
      );
    const found = async (query: object) =>
      value(await channel.receipts({ limit: 10, ...query })).items.map(({ id }) => id);
    expect(await found({})).toEqual([ids[2], ids[1], ids[0]]);
    expect(await found({ q: 'ZOE' })).toEqual([ids[2], ids[0]]);
    expect(await found({ path: '/hooks/j' })).toEqual([ids[1]]);
    expect(await found({ after: ids[1], site: 'shop' })).toEqual([ids[0]]);
    expect(await found({ site: 'another' })).toEqual([]);
    const page = value(await channel.receipts({ limit: 1, q: 'zoe' }));
    expect([page.items.length, page.next]).toEqual([1, ids[2]]);
    const erased = value(await channel.eraseReceipts({ site: 'shop', q: 'zoe', limit: 10 }, 'op'));
    expect(erased).toEqual({ erased: 2, next: null });
    expect(await found({ q: 'zoe' })).toEqual([]);
    expect(await found({ state: 'erased' })).toEqual([ids[2], ids[0]]);
  });

  it('R8: is delivered again only when it has ended and is kept', async () => {
    const { call, channel, connect } = await build({ respond: 'accepted' });
    const peer = await connect();
    const { receiptId } = ticketOf(value(await call()));
    const hook = await webhook(peer);
    expect(errorOf(await channel.redeliver(receiptId, 'op')).code).toBe('conflict');
    peer.send({ type: 'ack', log: 'queue', applied: hook.seq });
    peer.send(entry(1, { type: 'receipt', receiptId, at: 1, attempts: 1, state: 'delivered' }, 'queue'));
    await peer.next('ack');
    expect(value(await channel.redeliver(receiptId, 'op'))).toMatchObject({ state: 'stored', attempts: 0 });
    const again = await webhook(peer);
    expect([again.receiptId, again.seq, again.parcel]).toEqual([receiptId, hook.seq + 1, hook.parcel]);
    expect((await pull(peer, again)).length).toBe(hook.parcel.bytes);
  });

  it('of a site that is deleted is dead', async () => {
    const { call, channel } = await build();
    const { receiptId } = ticketOf(value(await call()));
    value(await channel.removeSite('shop'));
    expect(value(await channel.receipt(receiptId))).toMatchObject({
      state: 'dead',
      lastError: 'the site was deleted',
    });
  });
});
