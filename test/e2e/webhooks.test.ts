import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { type Receipt, receipt, receiptTicket } from '@clawdbot/protocol';
import { expect, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { type Answer, withSystem } from './harness/system.ts';

const system = withSystem();

interface Received {
  readonly receiptId: string | null;
  readonly path: string;
  readonly sha256: string;
}

const received = async () => (await fetch(`${system().file.upstreamUrl}/_log`)).json() as Promise<Received[]>;
const receivedOf = async (id: string) => (await received()).filter(({ receiptId }) => receiptId === id);
const send = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
  system().relay(`/webhooks${path}`, { method: 'POST', body, headers });
const sha256 = (data: string) => createHash('sha256').update(data).digest('hex');

const ticketOf = ({ status, json }: Answer) => {
  expect(status).toBe(202);
  return receiptTicket.parse(json).receiptId;
};
const read = async (id: string): Promise<Receipt> =>
  receipt.parse((await system().api(`/api/v1/receipts/${id}`)).json);
const becomes = (id: string, state: Receipt['state']) =>
  eventually(
    `${id} is ${state}`,
    () => read(id),
    (it) => it.state === state,
  );

test('a customer whose upstream answers gets that answer, and the receipt is delivered', async () => {
  const answer = await send('/order', 'order 1');
  expect([answer.status, answer.json]).toEqual([200, { received: true }]);
  const id = String(answer.headers.get('x-receipt-id'));
  expect(await receivedOf(id)).toMatchObject([{ path: '/webhooks/order', sha256: sha256('order 1') }]);
  expect((await read(id)).state).toBe('delivered');
});

test('the upstream’s own 4xx is an answer too: it is handed on and not repeated', async () => {
  const answer = await send('/status/422', 'half an order');
  expect(answer.status).toBe(422);
  const id = String(answer.headers.get('x-receipt-id'));
  expect(await read(id)).toMatchObject({ state: 'delivered', status: 422 });
  // What comes behind it is answered, not held up.
  expect((await send('/order', 'order 2')).status).toBe(200);
  expect(await receivedOf(id)).toHaveLength(1);
});

test('what comes while the orchestrator is away is kept through an edge’s crash, and delivered once, in order', async () => {
  const { sandbox } = system();
  await sandbox.stopPart('orchestrator');
  const ids: string[] = [];
  for (let n = 0; n < 20; n++) ids.push(ticketOf(await send('/lead', `lead ${n}`)));
  system().kill('edge');
  await sandbox.startPart('orchestrator');
  for (const id of ids) await becomes(id, 'delivered');
  const log = await received();
  const ours = log.filter(({ path }) => path === '/webhooks/lead');
  expect(new Set(ours.map(({ receiptId }) => receiptId))).toEqual(new Set(ids));
  expect(ours.map(({ sha256 }) => sha256).sort()).toEqual(ids.map((_, n) => sha256(`lead ${n}`)).sort());
  expect(await read(ids[0] ?? '')).toMatchObject({ attempts: 1, route: '/webhooks/*' });
});

test('a killed orchestrator delivers what it held when it is back, under the same key', async () => {
  await system().works();
  const asked = send('/slow/3000', 'slow');
  await eventually('it has arrived', received, (log) => log.some(({ path }) => path.endsWith('/slow/3000')));
  system().kill('orchestrator');
  const id = ticketOf(await asked);
  await becomes(id, 'delivered');
  expect((await receivedOf(id)).length).toBeGreaterThanOrEqual(1);
});

test('an upstream that fails gets it again until it is well, and the customer a receipt at once', async () => {
  await system().works();
  const id = ticketOf(await send('/status/500', 'unlucky'));
  await eventually(
    'it was tried again',
    () => receivedOf(id),
    (tries) => tries.length >= 2,
  );
  expect(await read(id)).toMatchObject({ state: 'on_vps', lastError: 'the upstream answered 500' });
  // A backlog: what comes behind it is not answered by the upstream, and waits.
  const behind = ticketOf(await send('/order', 'behind'));
  expect(await receivedOf(behind)).toEqual([]);
  // Erased, it is not tried any more, and its route goes on.
  await system().api(`/api/v1/receipts/${id}/erase`, { method: 'POST' });
  await becomes(behind, 'delivered');
  expect(await read(id)).toMatchObject({ state: 'erased' });
});

test('what was delivered is delivered again when asked for, under its key', async () => {
  const id = String((await send('/order', 'lost by the shop')).headers.get('x-receipt-id'));
  const again = await system().api(`/api/v1/receipts/${id}/redeliver`, { method: 'POST' });
  expect(again.status).toBe(202);
  await eventually(
    'it has arrived twice',
    () => receivedOf(id),
    (tries) => tries.length === 2,
  );
  await becomes(id, 'delivered');
});

test('a person’s data is found by what stands in it, and erased', async () => {
  const answer = await send('/lead', 'mail=zoe%40example.com');
  const id = String(answer.headers.get('x-receipt-id'));
  const { siteId } = system().file;
  const found = await system().api(`/api/v1/receipts?site=${siteId}&q=zoe%40example.com`);
  expect(found.json.items.map((item: Receipt) => item.id)).toEqual([id]);
  const body = { site: siteId, value: 'zoe@example.com' };
  expect((await system().api('/api/v1/receipts/erase', { body })).json).toMatchObject({ erased: 1 });
  expect(await read(id)).toMatchObject({ state: 'erased' });
  expect((await system().api(`/api/v1/receipts?q=zoe%40example.com`)).json.items).toEqual([]);
  expect((await system().api(`/api/v1/receipts/${id}/redeliver`, { method: 'POST' })).status).toBe(409);
});

test('the same Idempotency-Key and body is the same receipt', async () => {
  const headers = { 'idempotency-key': 'shop-4711' };
  const first = await send('/order', 'once', headers);
  const id = String(first.headers.get('x-receipt-id'));
  expect(ticketOf(await send('/order', 'once', headers))).toBe(id);
  const other = await send('/order', 'another', headers);
  expect(other.headers.get('x-receipt-id')).not.toBe(id);
  expect(await receivedOf(id)).toHaveLength(1);
});

test('10 MB are taken, more is refused', async () => {
  const answer = await send('/big', new Uint8Array(10 * 1024 * 1024).fill(7));
  expect(answer.status).toBe(200);
  expect(await announced('/big', 10 * 1024 * 1024 + 1)).toBe(413);
});

/** The status of an answer that comes as soon as a body of this length is announced. */
function announced(path: string, length: number): Promise<number | undefined> {
  const { relayUrl, siteId } = system().file;
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const sent = request(`${relayUrl}/s/${siteId}/webhooks${path}`, {
    method: 'POST',
    headers: { 'content-length': length },
  });
  sent.on('response', ({ statusCode }) => {
    resolve(statusCode);
    sent.destroy();
  });
  sent.on('error', reject);
  sent.flushHeaders();
  return promise;
}

test('a browser’s form is answered with the route’s own words and CORS, also while the VPS is away', async () => {
  const { config } = await system().config();
  const [hook, ...rest] = config.routes;
  const form = {
    ...hook,
    path: '/webhooks/form',
    respond: 'accepted',
    accepted: { status: 303, location: 'https://shop.example/thanks' },
    cors: { origins: ['https://shop.example'] },
  };
  expect((await system().configure({ routes: [form, hook, ...rest] })).state).toBe('succeeded');
  await system().sandbox.stopPart('orchestrator');
  const origin = 'https://shop.example';
  const preflight = await system().relay('/webhooks/form', {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST' },
  });
  expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([204, origin]);
  const answer = await send('/form', 'a=1', { origin });
  expect([answer.status, answer.headers.get('location')]).toEqual([303, 'https://shop.example/thanks']);
  expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
  await system().sandbox.startPart('orchestrator');
  await becomes(String(answer.headers.get('x-receipt-id')), 'delivered');
});

test('a catalogue’s last good answer is served, with its age, while the upstream or the VPS is away', async () => {
  const { sandbox } = system();
  await system().works();
  const { text } = await system().relay('/catalog/bytes/2000');
  for (const part of ['upstream', 'orchestrator'] as const) {
    await sandbox.stopPart(part);
    const answer = await system().relay('/catalog/bytes/2000');
    expect([answer.status, answer.text === text]).toEqual([200, true]);
    expect(Number(answer.headers.get('age'))).toBeGreaterThanOrEqual(0);
    expect([502, 503]).toContain((await system().relay('/catalog/bytes/2001')).status);
    await sandbox.startPart(part);
    await system().works();
  }
});
