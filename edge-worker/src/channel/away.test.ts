import { runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { errorOf, stubOf, value } from './channel.fixture.ts';
import { builder, header, text, ticketOf } from './door.fixture.ts';

const build = builder('away');

describe('while the orchestrator is away', () => {
  it('R2: a request is stored, and answered with its receipt at once', async () => {
    const { call, channel } = await build();
    const reply = value(await call());
    const { receiptId, state } = ticketOf(reply);
    expect([reply.status, state, header(reply, 'x-receipt-id')]).toEqual([202, 'stored', receiptId]);
    expect(value(await channel.receipt(receiptId))).toMatchObject({
      route: '/hooks/*',
      state: 'stored',
      request: { method: 'POST', url: '/hooks/lead?mail=zoe@example.com', bodyBytes: 20 },
    });
  });

  it('R1: nothing of what the customer sent can be read in the database', async () => {
    const { call, vps } = await build();
    value(await call());
    await runInDurableObject(stubOf(vps), (_, { storage: { sql } }) => {
      const tables = sql
        .exec<{ name: string }>(`SELECT name FROM sqlite_master WHERE type = 'table'`)
        .toArray();
      const rows = tables
        .filter(({ name }) => !name.startsWith('_'))
        .flatMap(({ name }) => sql.exec(`SELECT * FROM ${name}`).toArray());
      const shown = rows.flatMap((row) =>
        Object.values(row).map((cell) =>
          cell instanceof ArrayBuffer ? new TextDecoder('latin1').decode(cell) : String(cell),
        ),
      );
      expect(shown.some((cell) => cell.includes('webhook'))).toBe(true);
      expect(shown.filter((cell) => /zoe/i.test(cell))).toEqual([]);
    });
  });

  it('the same request under the same key is the same receipt, another one is not', async () => {
    const { call } = await build();
    const headers: [string, string][] = [['idempotency-key', 'k-1']];
    const [first, again, both] = [await call({ headers }), await call({ headers }), await call({ headers })];
    const ids = [first, again, both].map((answer) => ticketOf(value(answer)).receiptId);
    expect(new Set(ids).size).toBe(1);
    const other = value(await call({ headers, body: new TextEncoder().encode('other') }));
    expect(ticketOf(other).receiptId).not.toBe(ids[0]);
    const [one, two] = await Promise.all([
      call({ headers: [['idempotency-key', 'k-2']] }),
      call({ headers: [['idempotency-key', 'k-2']] }),
    ]);
    expect(ticketOf(value(one)).receiptId).toBe(ticketOf(value(two)).receiptId);
  });

  it('the route’s own words are the answer', async () => {
    const accepted = { status: 303, location: '/thanks', contentType: 'text/html', body: '<p>Thanks' };
    const { call } = await build({ accepted });
    const reply = value(await call());
    expect([reply.status, header(reply, 'location'), header(reply, 'content-type'), text(reply)]).toEqual([
      303,
      '/thanks',
      'text/html',
      '<p>Thanks',
    ]);
  });

  it('a path that would be refused later is refused before it is stored', async () => {
    const { call, channel } = await build({ path: '/*' });
    for (const url of ['/hooks/../x', '/hooks/%2e%2e%2fx', '/hooks/./x?a=..'])
      expect(errorOf(await call({ url }))).toMatchObject({ code: 'bad_request' });
    expect(value(await channel.receipts({ limit: 10 })).items).toEqual([]);
    expect(value(await call({ url: '/hooks/x..y?a=/../' })).status).toBe(202);
  });

  it('a request whose body breaks off is the customer’s fault, and is not stored', async () => {
    const { call, channel } = await build();
    const body = new ReadableStream({
      type: 'bytes',
      start: (stream) => stream.enqueue(new Uint8Array(3)),
      pull: (stream) => stream.error(new TypeError('it was cut')),
    });
    expect(errorOf(await call({ body }))).toMatchObject({ code: 'bad_request', execution: 'not_started' });
    expect(value(await channel.receipts({ limit: 10 })).items).toEqual([]);
  });

  it('a browser’s page may read that it failed, and when to try again', async () => {
    const { call } = await build({ offline: 'unavailable', cors: { origins: ['https://shop.example'] } });
    const failed = await call({ headers: [['origin', 'https://shop.example']] });
    expect(failed).toMatchObject({ ok: false, error: { code: 'orchestrator_away' } });
    const headers = new Map('headers' in failed ? failed.headers : []);
    expect(headers.get('access-control-allow-origin')).toBe('https://shop.example');
    expect(headers.get('access-control-expose-headers')).toContain('Retry-After');
  });

  it('a route without a queue is unavailable, as ever', async () => {
    const { call } = await build({ offline: 'unavailable' });
    expect(errorOf(await call()).code).toBe('orchestrator_away');
  });
});
