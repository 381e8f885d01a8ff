/** What bindings name is there, or the upload is refused; and it is what the Worker really gets. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { eventually } from '../../eventually.ts';
import {
  type Answer,
  answering,
  apiOf,
  deployed,
  ownCloudflare,
  textAt,
  type UploadedModule,
  uploadForm,
} from './fixture.ts';

const codes = ({ status, errors }: Answer): (number | undefined)[] => [status, errors[0]?.code];
const module = (content: string): UploadedModule => ({ name: 'index.js', content });

const SHOP = module(`
  import { WorkerEntrypoint } from 'cloudflare:workers';
  export class Prices extends WorkerEntrypoint { of(item) { return { item, cents: 250 }; } }
  export default { fetch: async (request, env) => new Response(env.WORD + ' ' + request.method + ' ' + (await request.text())) };`);

const ROOMS = module(`
  import { DurableObject, env as atTop } from 'cloudflare:workers';
  const known = atTop.ROOM.idFromName('a').toString();
  export class Room extends DurableObject {
    join() { const n = (this.ctx.storage.kv.get('n') ?? 0) + 1; this.ctx.storage.kv.put('n', n); return n; }
    async fetch(request) {
      if (request.headers.get('upgrade') !== 'websocket') return new Response(this.env.WORD + ' ' + this.ctx.id);
      const { 0: theirs, 1: ours } = new WebSocketPair();
      this.ctx.acceptWebSocket(ours);
      return new Response(null, { status: 101, webSocket: theirs });
    }
    webSocketMessage(socket, message) { socket.send('heard ' + message); }
  }
  export default {
    async fetch(request, env) {
      const id = env.ROOM.idFromName('a');
      const room = env.ROOM.get(id);
      const joined = [await room.join(), await env.ROOM.getByName('b').join(), await env.ROOM.get(env.ROOM.idFromString(known)).join()];
      const [word, itself] = (await (await room.fetch('http://room/')).text()).split(' ');
      const { webSocket } = await room.fetch('http://room/', { headers: { upgrade: 'websocket' } });
      webSocket.accept();
      const heard = new Promise((resolve) => webSocket.addEventListener('message', ({ data }) => resolve(data)));
      webSocket.send('hello');
      return Response.json({ joined, word, isSame: itself === id.toString(), heard: await heard });
    },
  };`);
const OWN_CLASS = {
  migrations: { new_tag: 'v1', steps: [{ new_sqlite_classes: ['Room'] }] },
  bindings: [
    { type: 'durable_object_namespace', name: 'ROOM', class_name: 'Room' },
    { type: 'plain_text', name: 'WORD', text: 'one' },
  ],
};

test('a binding to nothing is refused with the code of its kind, and nothing is stored', async () => {
  const { url } = await ownCloudflare();
  await deployed(url, 'plain', uploadForm([answering('1')]));
  const bind = (type: string, fields: object) =>
    apiOf(url)(
      'PUT',
      '/scripts/bound',
      uploadForm([answering('1')], { bindings: [{ type, name: 'B', ...fields }] }),
    );
  const objects = (fields: object) => bind('durable_object_namespace', { class_name: 'Room', ...fields });
  const cases: [Promise<Answer>, number, RegExp][] = [
    [bind('service', { service: 'none' }), 10144, /'B'.*Worker 'none' which was not found/],
    [bind('queue', { queue_name: 'none' }), 11000, /Queue 'none' not found/],
    [objects({}), 10061, /class 'Room' because it is not currently configured/],
    [objects({ script_name: 'none' }), 10061, /script 'none' that does not exist/],
    [objects({ script_name: 'plain' }), 10061, /not exported by script 'plain'/],
    [bind('dispatch_namespace', { namespace: 'none' }), 100119, /namespace does not exist/],
    [bind('kv_namespace', { namespace_id: '1' }), 10041, /KV namespace '1' not found/],
    [bind('d1', { id: '1' }), 10181, /database '1' which was not found/],
    [bind('r2_bucket', { bucket_name: '1' }), 10085, /R2 bucket '1' not found/],
    [bind('hyperdrive', { id: '1' }), 10157, /config '1' which was not found/],
    [bind('vectorize', { index_name: '1' }), 10159, /index '1' which was not found/],
  ];
  for (const [refusal, code, message] of cases) {
    const answer = await refusal;
    expect(codes(answer), message.source).toEqual([400, code]);
    expect(answer.errors[0]?.message).toMatch(message);
  }
  expect(codes(await apiOf(url)('GET', '/scripts/bound/settings'))).toEqual([404, 10007]);
});

test('a service binding is the other Worker as it serves now: by fetch, and by what it offers', async () => {
  const { url } = await ownCloudflare();
  const word = (text: string) =>
    uploadForm([SHOP], { bindings: [{ type: 'plain_text', name: 'WORD', text }] });
  await deployed(url, 'shop', word('one'));
  const call = `
    await (await env.SHOP.fetch('http://shop/', { method: 'PUT', body: 'it' })).text() + JSON.stringify(await env.PRICES.of('tea'))`;
  const bindings = [
    { type: 'service', name: 'SHOP', service: 'shop' },
    { type: 'service', name: 'PRICES', service: 'shop', entrypoint: 'Prices' },
  ];
  const at = await deployed(url, 'caller', uploadForm([answering(call)], { bindings }));
  expect(await textAt(at)).toBe('one PUT it{"item":"tea","cents":250}');
  await deployed(url, 'shop', word('two'));
  expect(await textAt(at), 'its next version serves its callers, too').toMatch(/^two/);
});

test('Durable Objects keep what they store, by name, and run their Worker’s newest version', async () => {
  const { url } = await ownCloudflare();
  const at = await deployed(url, 'rooms', uploadForm([ROOMS], OWN_CLASS));
  const seen = async () => JSON.parse(await textAt(at));
  expect(await seen()).toEqual({ joined: [1, 1, 2], word: 'one', isSame: true, heard: 'heard hello' });
  const [objects] = OWN_CLASS.bindings;
  const bindings = [objects, { type: 'plain_text', name: 'WORD', text: 'two' }];
  await deployed(url, 'rooms', uploadForm([ROOMS], { bindings }));
  expect(await seen()).toMatchObject({ joined: [3, 2, 4], word: 'two' });

  const call = answering('String(await env.THEIRS.getByName("a").join())');
  const theirs = {
    type: 'durable_object_namespace',
    name: 'THEIRS',
    class_name: 'Room',
    script_name: 'rooms',
  };
  const guest = await deployed(url, 'guest', uploadForm([call], { bindings: [theirs] }));
  expect(await textAt(guest), 'another Worker reaches the same object').toBe('5');
});

test('migrations: the tag must be the present one, a class is made once, and is not left out of the code', async () => {
  const { url } = await ownCloudflare();
  const api = apiOf(url);
  await deployed(url, 'rooms', uploadForm([ROOMS], OWN_CLASS));
  const put = (metadata: object, code = ROOMS) => api('PUT', '/scripts/rooms', uploadForm([code], metadata));
  const steps = (old_tag: string, step: object) => ({
    migrations: { old_tag, new_tag: 'v2', steps: [step] },
  });
  expect(codes(await put(OWN_CLASS))).toEqual([412, 10079]);
  expect(codes(await put(steps('v1', { new_sqlite_classes: ['Room'] })))).toEqual([400, 10074]);
  expect(codes(await put({}, answering('1')))).toEqual([400, 10064]);
  expect(codes(await api('POST', '/scripts/rooms/versions', uploadForm([ROOMS], OWN_CLASS)))).toEqual([
    400, 10211,
  ]);
  expect((await put(steps('v1', { deleted_classes: ['Room'] }), answering('1'))).success).toBe(true);
  const { result } = await api('GET', '/services/rooms');
  expect(result).toMatchObject({ default_environment: { script: { migration_tag: 'v2' } } });
});

test('a queue keeps what is sent until a consumer has taken it; what that refuses comes again, then is dead', async () => {
  const { url } = await ownCloudflare();
  const queues = apiOf(url, 'queues');
  const create = async (queue_name: string) =>
    z.object({ queue_id: z.string() }).parse((await queues('POST', '', { queue_name })).result).queue_id;
  const [orders, dead] = [await create('orders'), await create('dead')];
  expect(codes(await queues('POST', '', { queue_name: 'orders' }))).toEqual([409, 11009]);

  const bindings = [{ type: 'queue', name: 'ORDERS', queue_name: 'orders' }];
  const send = `
    await env.ORDERS.send({ tea: 1 }) ?? await env.ORDERS.sendBatch([{ body: 'bad', contentType: 'text' }, { body: new Uint8Array([7]), contentType: 'bytes' }])`;
  await textAt(await deployed(url, 'producer', uploadForm([answering(send)], { bindings })));
  expect(codes(await queues('DELETE', `/${orders}`))).toEqual([400, 11005]);

  const consumer = module(`
    const seen = [];
    export default {
      queue(batch) {
        for (const { body, attempts } of batch.messages) seen.push([batch.queue, body instanceof Uint8Array ? [...body] : body, attempts]);
        for (const message of batch.messages) if (message.body === 'bad' && batch.queue === 'orders') message.retry();
      },
      fetch: () => Response.json(seen),
    };`);
  const at = await deployed(url, 'consumer', uploadForm([consumer]));
  const consume = (queue: string, more: object = {}) =>
    queues('POST', `/${queue}/consumers`, { type: 'worker', script_name: 'consumer', ...more });
  expect(codes(await queues('POST', `/${orders}/consumers`, { script_name: 'producer' }))).toEqual([
    400, 11001,
  ]);
  await consume(orders, { dead_letter_queue: 'dead', settings: { max_retries: 1 } });
  expect(codes(await consume(orders))).toEqual([400, 11004]);
  await consume(dead);
  const seen = await eventually(
    'all messages are through',
    async () => z.array(z.array(z.unknown())).parse(JSON.parse(await textAt(at))),
    (all) => all.length === 5,
  );
  expect(seen).toEqual([
    ['orders', { tea: 1 }, 1],
    ['orders', 'bad', 1],
    ['orders', [7], 1],
    ['orders', 'bad', 2],
    ['dead', 'bad', 1],
  ]);
});

test('a dispatcher reaches the Workers of its namespace by name, as they are now, and is told of one that is not there', async () => {
  const { url } = await ownCloudflare();
  const api = apiOf(url);
  const namespaces = (method: string, path = '', body?: FormData | object) =>
    api(method, `/dispatch/namespaces${path}`, body);
  const put = (text: string) =>
    namespaces(
      'PUT',
      '/sites/scripts/shop',
      uploadForm([SHOP], { bindings: [{ type: 'plain_text', name: 'WORD', text }], tags: ['one-site'] }),
    );
  expect(codes(await put('early'))).toEqual([404, 100119]);
  await namespaces('POST', '', { name: 'sites' });
  expect(codes(await namespaces('POST', '', { name: 'sites' }))).toEqual([409, 100120]);
  expect((await namespaces('GET', '/sites/scripts/shop')).result).toMatchObject({ script: null });
  expect((await put('hi')).success).toBe(true);

  const dispatch = `
    await env.SITES.get(new URL(request.url).pathname.slice(1)).fetch(request).then((answer) => answer.text(), (error) => error.message)`;
  const bindings = [{ type: 'dispatch_namespace', name: 'SITES', namespace: 'sites' }];
  const at = await deployed(url, 'dispatcher', uploadForm([answering(dispatch)], { bindings }));
  const shop = () => textAt(`${at}/shop`, { method: 'POST', body: 'tea' });
  expect(await shop()).toBe('hi POST tea');
  await put('again');
  expect(await shop()).toBe('again POST tea');
  expect(await textAt(`${at}/none`)).toBe('Worker not found.');

  expect((await namespaces('GET', '/sites/scripts/shop/tags')).result).toEqual(['one-site']);
  expect((await namespaces('GET', '/sites')).result).toMatchObject({
    namespace_name: 'sites',
    script_count: 1,
  });
  expect((await api('GET', '/scripts')).result, 'it is none of the account’s own').toMatchObject([
    { id: 'dispatcher' },
  ]);
  await namespaces('DELETE', '/sites');
  expect(await textAt(`${at}/shop`)).toBe('Worker not found.');
});
