import { runInDurableObject } from 'cloudflare:test';
import {
  decodeChunk,
  decodeParcel,
  type FrameToEdge,
  type Hello,
  json,
  type Limits,
  type Route,
  sha256Of,
  type Webhook,
} from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { hexOf } from '../bytes.ts';
import { channelOf, entry, errorOf, helloOf, Peer, stubOf, value } from './channel.fixture.ts';
import type { RelayCall, RelayReply } from './relay-rpc.ts';

let count = 0;
const text = ({ body }: RelayReply) =>
  typeof body === 'string'
    ? body
    : new TextDecoder().decode(body instanceof ReadableStream ? undefined : (body ?? undefined));
const header = ({ headers }: RelayReply, name: string) => headers.find(([given]) => given === name)?.[1];
const ticketOf = (reply: RelayReply): { receiptId: string; state: string } => JSON.parse(text(reply));

/** A site of its own with one route, and its object. */
async function build(route: Partial<Route> = {}, limits?: Limits) {
  const vps = `door-${++count}`;
  const channel = channelOf(vps);
  value(await channel.putSite('shop', { paused: false, orgId: 'org-1' }));
  const whole = { path: '/hooks/*', upstream: 'http://127.0.0.1:9', offline: 'queue', ...route };
  const config = json.parse({ routes: [whole], ...(limits && { limits }) });
  value(await channel.updateConfig({ siteId: 'shop', actor: 'op', payload: { base: 0, config } }));
  const call = (more: Partial<RelayCall> = {}) =>
    channel.relay({
      requestId: `request-${++count}`,
      target: 'upstream',
      siteId: 'shop',
      method: 'POST',
      url: '/hooks/lead?mail=zoe@example.com',
      headers: [['x-name', 'zoe']],
      body: new TextEncoder().encode('mail=zoe@example.com'),
      deadlineMs: 10_000,
      ...more,
    });
  const connect = (more: Partial<Hello> = {}) => Peer.connect(vps, { ...withQueue(vps), ...more });
  return { vps, channel, call, connect };
}

const withQueue = (vps: string): Pick<Hello, 'logs'> => ({
  logs: {
    ...helloOf(vps).logs,
    queue: { logId: `queue-of-${vps}`, oldest: 1, last: 0, applied: 0 },
  },
});

/** The next stored request that the edge sends. */
async function webhook(peer: Peer): Promise<Webhook & { seq: number }> {
  for (;;) {
    const { log, seq, body } = await peer.next('entry');
    if (log === 'queue') return { seq, ...JSON.parse(body) };
  }
}

/** Pulls a parcel as the orchestrator does. */
async function pull(peer: Peer, { receiptId, parcel }: Webhook): Promise<Uint8Array> {
  peer.send({ type: 'blob', id: 1, sha256: parcel.sha256, part: 0, receiptId });
  return decodeChunk(await peer.nextChunk()).bytes;
}

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

describe('the door', () => {
  it('goes by the config that runs, not by one that was refused', async () => {
    const { call, channel, connect } = await build();
    const peer = await connect();
    const { digest } = value(await channel.config('shop'));
    const status = {
      type: 'status',
      ...{ at: 1, version: '1', uptimeS: 1, workers: [] },
      memory: { rssBytes: 1, heapUsedBytes: 1 },
      queues: { inbox: 0, outbox: 0, deadLetters: 0 },
      sites: [{ siteId: 'shop', generation: 1, digest }],
      tunnel: { state: 'not_configured' },
    } satisfies FrameToEdge;
    peer.send(status);
    await expect.poll(async () => (await channel.describe()).status?.sites.length).toBe(1);
    const config = { routes: [] };
    value(await channel.updateConfig({ siteId: 'shop', actor: 'op', payload: { base: 1, config } }));
    peer.close(1001, '');
    await expect.poll(async () => (await channel.describe()).presence.state).toBe('away');
    expect(value(await call()).status).toBe(202);
  });

  it('answers a preflight itself, and puts the route’s CORS on every answer', async () => {
    const { call } = await build({
      cors: { origins: ['https://shop.example'], headers: ['x-a'], maxAgeS: 5 },
    });
    const preflight = (origin: string) =>
      call({
        method: 'OPTIONS',
        headers: [
          ['origin', origin],
          ['access-control-request-method', 'POST'],
        ],
        body: null,
      });
    const allowed = value(await preflight('https://shop.example'));
    expect([allowed.status, ...allowed.headers]).toEqual([
      204,
      ['vary', 'Origin'],
      ['access-control-allow-origin', 'https://shop.example'],
      expect.anything(),
      ['access-control-allow-methods', 'GET, HEAD, POST, PUT, PATCH, DELETE'],
      ['access-control-allow-headers', 'x-a'],
      ['access-control-max-age', '5'],
    ]);
    expect(value(await preflight('https://evil.example')).headers).toEqual([['vary', 'Origin']]);
    const answer = value(await call({ headers: [['origin', 'https://shop.example']] }));
    expect(header(answer, 'access-control-allow-origin')).toBe('https://shop.example');
  });

  it('refuses what is too large for a route’s kind, and a site that is paused', async () => {
    const queue = await build();
    expect(value(await queue.call({ body: new Uint8Array(1024 * 1024 + 1) })).status).toBe(202);
    expect(errorOf(await queue.call({ bodyLength: 10 * 1024 * 1024 + 1 })).code).toBe('too_large');
    expect(errorOf(await queue.call({ body: new Uint8Array(10 * 1024 * 1024 + 1) })).code).toBe('too_large');
    value(await queue.channel.putSite('shop', { paused: true, orgId: 'org-1' }));
    expect(errorOf(await queue.call()).code).toBe('site_paused');
  });
});

/** A body of which this much has come, and whose end has not. */
function unfinished(bytes: number) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const sent = (async () => {
    for (let left = bytes; left > 0; left -= 65_536)
      await writer.write(new Uint8Array(Math.min(left, 65_536)));
  })();
  return { readable, sent, finish: () => writer.close() };
}

it('slow senders of large bodies hold no more than 20 MiB of the object’s memory', async () => {
  const { call } = await build({ respond: 'accepted' });
  const slow = Array.from({ length: 2 }, () => unfinished(9_500_000));
  const answers = slow.map(({ readable }) => call({ body: readable }));
  await Promise.all(slow.map(({ sent }) => sent));
  const third = unfinished(9_500_000);
  third.sent.catch(() => undefined); // It is not read to its end.
  expect(errorOf(await call({ body: third.readable })).code).toBe('overloaded');
  expect(value(await call()).status).toBe(202);
  // What has come whole is stored, and makes room.
  await Promise.all(slow.map(({ finish }) => finish()));
  expect((await Promise.all(answers)).map((answer) => value(answer).status)).toEqual([202, 202]);
  const next = unfinished(9_500_000);
  const stored = call({ body: next.readable });
  await next.sent;
  await next.finish();
  expect(value(await stored).status).toBe(202);
});

it('a limit counts by the visitor whom the site’s own Worker names under its signature, else by the sender', async () => {
  const { call, channel } = await build({}, { customer: { requests: 1, periodS: 60, secretRef: 'V' } });
  value(await channel.putSecret({ siteId: 'shop', name: 'V', value: 'a visitor key', actor: 'op' }));
  const from = async (ip: string, key = 'a visitor key') => {
    const visitor = await visitorOf(ip, key);
    const answer = await call({ headers: [['x-forwarded-for', '2a06:98c0:3600::103']], visitor });
    return answer.ok ? answer.value.status : answer.error.code;
  };
  expect([await from('192.0.2.1'), await from('192.0.2.2')]).toEqual([202, 202]);
  expect(await from('192.0.2.1')).toBe('rate_limited');
  // Whoever makes the header up is counted as who they are.
  expect([await from('192.0.2.3', 'guessed'), await from('192.0.2.4', 'guessed')]).toEqual([
    202,
    'rate_limited',
  ]);
});

/** As a Worker in front of the site says it. */
async function visitorOf(ip: string, secret: string): Promise<string> {
  const t = Math.floor(Date.now() / 1_000);
  const bytes = new TextEncoder();
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', bytes.encode(secret), algorithm, false, ['sign']);
  const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, bytes.encode(`${t}.${ip}`)));
  return `t=${t},ip=${ip},v1=${hexOf(mac)}`;
}

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
