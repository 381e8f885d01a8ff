import { SENT_BY_HEADER } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { RELAY, SHOP, TAG, tagWith } from './tag.fixture.ts';

const LEAD = {
  id: 'lead_0123456789',
  at: 1,
  fields: { email: 'jane@example.com' },
  attribution: { gclid: 'abc', utm_source: 'google' },
  page: `${SHOP}/form`,
};
const form = (text: string, headers = {}) =>
  [text, { 'content-type': 'application/x-www-form-urlencoded', ...headers }] as const;

describe('a lead', () => {
  it('goes to the site’s route at the relay under its id, and its receipt comes back', async () => {
    const tag = tagWith();
    const answer = await tag.lead(LEAD);
    expect([answer.status, await answer.json()]).toEqual([
      ...[202, { id: LEAD.id, state: 'stored', receiptId: 'rcpt_1' }],
    ]);
    const [request] = tag.asked.relay;
    expect([request?.method, request?.url, request?.headers.get('idempotency-key')]).toEqual([
      ...['POST', `${RELAY}/s/shop/webhooks/lead`, LEAD.id],
    ]);
    expect(request?.headers.get(SENT_BY_HEADER)).toBe('v-1');
    expect(await tag.relayed()).toEqual({ ...LEAD, siteId: 'shop' });
  });

  it('says whose it is, under the signature that the relay believes, if there is a key', async () => {
    const header = async (visitorKey?: string) => {
      const tag = tagWith(visitorKey === undefined ? {} : { visitorKey });
      await tag.lead(LEAD, { 'cf-connecting-ip': '192.0.2.7' });
      return tag.asked.relay[0]?.headers.get('x-orchestrator-visitor');
    };
    expect(await header('a visitor key')).toMatch(/^t=\d{10},ip=192\.0\.2\.7,v1=[0-9a-f]{64}$/);
    expect(await header()).toBeNull();
  });

  it('that comes again is the very same request, word by word', async () => {
    const tag = tagWith();
    await tag.lead(LEAD);
    tag.world.now += 3_600_000;
    await tag.lead(JSON.stringify(LEAD), { 'content-type': 'text/plain;charset=UTF-8' });
    const [first, second] = await Promise.all(tag.asked.relay.map((request) => request.text()));
    expect(second).toBe(first);
  });

  it('of a form without the snippet takes the click out of its fields', async () => {
    const tag = tagWith();
    await tag.lead(...form('email=jane%40example.com&utm_source=google&note=a+b'));
    expect(await tag.relayed()).toMatchObject({
      fields: { email: 'jane@example.com', note: 'a b' },
      attribution: { utm_source: 'google' },
    });
  });

  it('without an id has one of its words and the day: a form sent twice is one lead', async () => {
    const tag = tagWith();
    const idOf = async (text: string) => {
      await tag.lead(...form(text));
      return (await tag.relayed())['id'];
    };
    const first = await idOf('a=1&b=2');
    expect(first).toMatch(/^day_[0-9a-f]{32}$/);
    expect(await idOf('b=2&a=1')).toBe(first);
    expect(await idOf('a=1&b=3')).not.toBe(first);
    tag.world.now += 24 * 3_600_000;
    expect(await idOf('a=1&b=2')).not.toBe(first);
  });

  it('of a program that filled in the trap goes on, and says so', async () => {
    const tag = tagWith();
    await tag.lead({ fields: { email: 'x', _gotcha: 'buy' } });
    expect(await tag.relayed()).toMatchObject({ fields: { email: 'x' }, suspect: 'honeypot' });
    await tag.lead({ fields: { email: 'x', _gotcha: '' } });
    expect(await tag.relayed()).not.toHaveProperty('suspect');
  });

  it.each<[string, string | object, Record<string, string>, number]>([
    ['no JSON', '{', {}, 400],
    ['no fields', {}, {}, 400],
    ['a field that is no text', { fields: { a: 1 } }, {}, 400],
    [
      'too many fields',
      { fields: Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`f${n}`, ''])) },
      {},
      400,
    ],
    ['an id that is none', { id: 'x y', fields: {} }, {}, 400],
    ['an attribution that no ad made', { fields: {}, attribution: { cookie: 'x' } }, {}, 400],
    ['more than 16 KiB', { fields: { a: 'x'.repeat(17_000) } }, {}, 413],
    ['another type', 'x', { 'content-type': 'text/html' }, 415],
  ])('with %s is refused for good, and nothing is relayed', async (_what, body, headers, status) => {
    const tag = tagWith();
    const answer = await tag.lead(body, headers);
    expect([answer.status, await answer.json()]).toEqual([
      status,
      expect.objectContaining({ retryable: false, detail: expect.any(String) }),
    ]);
    expect(tag.asked.relay).toEqual([]);
  });
});

describe('what the page is told', () => {
  const told = async (relay: () => Response) => {
    const answer = await tagWith({ relay }).lead(LEAD);
    return [answer.status, await answer.json(), answer.headers.get('retry-after')];
  };

  it('is that it was taken, when the upstream has answered', async () => {
    const headers = { 'x-receipt-id': 'rcpt_2' };
    expect(await told(() => Response.json({ any: 'thing' }, { headers }))).toEqual([
      ...[200, { id: LEAD.id, state: 'taken', receiptId: 'rcpt_2' }, null],
    ]);
  });

  it('is no more than that, when the route has an answer of its own', async () => {
    const headers = { 'x-receipt-id': 'rcpt_3', location: `${SHOP}/thanks` };
    expect(await told(() => new Response(null, { status: 303, headers }))).toMatchObject([
      ...[200, { state: 'taken', receiptId: 'rcpt_3' }, null],
    ]);
    expect(await told(() => new Response('Thank you', { status: 202, headers }))).toMatchObject([
      ...[202, { state: 'taken', receiptId: 'rcpt_3' }, null],
    ]);
  });

  it.each([
    [429, 503, '7'],
    [503, 503, '7'],
    [500, 502, '7'],
    [404, 502, '7'],
  ])('is to come again, when the relay answered %i', async (status, told_, retryAfter) => {
    const answer = await told(() => new Response('', { status, headers: { 'retry-after': retryAfter } }));
    expect(answer).toEqual([told_, expect.objectContaining({ retryable: true }), retryAfter]);
  });

  it('is to come again, when the relay cannot be reached', async () => {
    const answer = await told(() => {
      throw new TypeError('refused');
    });
    expect(answer).toEqual([502, expect.objectContaining({ retryable: true }), '5']);
  });
});

describe('who may send leads', () => {
  it('are pages of the site’s origins and of the Worker’s own, and what is no page', async () => {
    for (const origin of [SHOP, TAG]) {
      const answer = await tagWith().lead(LEAD, { origin });
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([202, origin]);
    }
    expect((await tagWith().lead(LEAD)).status).toBe(202);
  });

  it('is no other page, and none that hides where it is from', async () => {
    for (const origin of ['https://evil.example', 'null', `${SHOP}.evil.example`]) {
      const tag = tagWith();
      const answer = await tag.lead(LEAD, { origin });
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([403, null]);
      expect(tag.asked.relay).toEqual([]);
    }
  });

  it('is answered to a browser that asks before it sends JSON', async () => {
    const answer = await tagWith().ask('/lead', { method: 'OPTIONS', headers: { origin: SHOP } });
    expect([answer.status, Object.fromEntries(answer.headers)]).toEqual([
      204,
      expect.objectContaining({
        'access-control-allow-origin': SHOP,
        'access-control-allow-methods': 'POST',
        vary: 'Origin',
      }),
    ]);
  });

  it('is nobody who only follows links', async () => {
    const tag = tagWith();
    expect((await tag.ask('/lead')).status).toBe(405);
    expect(tag.asked.relay).toEqual([]);
  });
});
