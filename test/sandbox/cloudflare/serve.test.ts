import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { answering, apiOf, deployed, ownCloudflare, textAt, uploadForm } from './fixture.ts';

/** An upstream of the test's own, that a Worker calls. */
async function upstream(listener: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return `http://127.0.0.1:${port}`;
}

/** Sends a body piece by piece, and answers the first piece that comes back while it is still open. */
async function fetchStreaming(url: string, body: ReadableStream, send: () => Promise<void>): Promise<string> {
  const answer = fetch(url, { method: 'POST', body, duplex: 'half' });
  await send();
  const reader = (await answer).body?.getReader();
  const first = await reader?.read();
  return new TextDecoder().decode(first?.value);
}

const ECHO = answering(`JSON.stringify({
  method: request.method, url: request.url, headers: [...request.headers], body: await request.text(),
})`);
const Echo = z.object({
  method: z.string(),
  url: z.string(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  body: z.string(),
});

test('a Worker answers on both 127.0.0.1 and ::1', async () => {
  const { url } = await ownCloudflare();
  const { port } = new URL(await deployed(url, 'both', uploadForm([answering('"here"')])));
  expect(await textAt(`http://127.0.0.1:${port}`)).toBe('here');
  expect(await textAt(`http://[::1]:${port}`)).toBe('here');
});

test('a Worker sees the request as sent: Host, path, repeated headers, bytes; ours are not in it', async () => {
  const { url } = await ownCloudflare();
  const at = new URL(await deployed(url, 'echo', uploadForm([ECHO])));
  const sent = request({
    host: '127.0.0.1',
    port: at.port,
    method: 'POST',
    path: '/a%2Fb/../c?q=1&q=%20',
    headers: [
      ['Host', 'shop.example'],
      ['X-Twice', 'one'],
      ['X-Twice', 'two'],
      ['CF-Connecting-IP', '6.6.6.6'],
      ['X-Standin-Version', 'forged'],
      ['Content-Length', '4'],
    ].flat(),
  });
  sent.end('bö!');
  const [answer] = await once(sent, 'response');
  const echo = Echo.parse(JSON.parse(await text(answer)));
  const headers = new Map(echo.headers);
  expect(echo).toMatchObject({ method: 'POST', url: 'http://shop.example/c?q=1&q=%20', body: 'bö!' });
  expect(headers.get('x-twice')).toBe('one, two');
  expect(headers.get('cf-connecting-ip')).toBe('127.0.0.1');
  expect([...headers.keys()].filter((name) => name.startsWith('x-standin-'))).toEqual([]);
});

test('a body of unknown length is streamed to the Worker whole', async () => {
  const { url } = await ownCloudflare();
  const at = await deployed(url, 'chunked', uploadForm([ECHO]));
  const body = ReadableStream.from(['one ', 'two ', 'three'].map((word) => new TextEncoder().encode(word)));
  const echo = Echo.parse(JSON.parse(await textAt(at, { method: 'PUT', body, duplex: 'half' })));
  expect([echo.method, echo.body]).toEqual(['PUT', 'one two three']);
});

test('a Worker may answer while it still reads: both directions stream at once', async () => {
  const { url } = await ownCloudflare();
  const at = await deployed(url, 'duplex', uploadForm([answering('request.body')]));
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const response = await fetchStreaming(at, readable, () => writer.write(new TextEncoder().encode('ping')));
  expect(response).toBe('ping');
  await writer.close();
});

test('an answer comes back as given: status, repeated cookies, and bytes as soon as they are written', async () => {
  const { url } = await ownCloudflare();
  const code = `export default { fetch() {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    writer.write(new TextEncoder().encode('first'));
    const headers = new Headers([['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['x-made', 'yes']]);
    return new Response(readable, { status: 418, headers });
  } };`;
  const at = await deployed(url, 'stream', uploadForm([{ name: 'index.js', content: code }]));
  const response = await fetch(at);
  expect([response.status, response.headers.getSetCookie(), response.headers.get('x-made')]).toEqual([
    418,
    ['a=1', 'b=2'],
    'yes',
  ]);
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('first');
  await reader?.cancel();
});

test('a customer who goes away takes the Worker and its own fetch with him', async () => {
  const { url } = await ownCloudflare();
  const arrived = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const origin = await upstream((req) => {
    arrived.resolve();
    req.on('close', () => left.resolve());
  });
  const at = new URL(
    await deployed(url, 'calls', uploadForm([answering(`(await fetch("${origin}")).body`)])),
  );
  const socket = connect(Number(at.port), '127.0.0.1', () =>
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
  );
  await arrived.promise;
  socket.destroy();
  await left.promise;
}, 10_000);

test('a Worker that throws answers 500 with error 1101, and goes on serving', async () => {
  const { url } = await ownCloudflare();
  const at = await deployed(
    url,
    'throws',
    uploadForm([answering('request.url.endsWith("bad") ? boom() : "fine"')]),
  );
  const response = await fetch(`${at}/bad`);
  expect([response.status, await response.text()]).toEqual([500, 'error code: 1101\n']);
  expect(await textAt(at)).toBe('fine');
});

test('modules of every kind are loaded, by relative paths', async () => {
  const { url } = await ownCloudflare();
  const wasm = Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0]);
  const content = `import text from '../t.txt'; import data from './d.bin'; import json from './j.json';
    import wasm from './w.wasm'; import cjs from './c.cjs'; import { esm } from './e.js';
    export default { fetch: () => Response.json([text, data.byteLength, json.a, String(wasm), cjs.c, esm]) };`;
  const form = uploadForm([
    { name: 'src/index.js', content },
    { name: 't.txt', content: 'text', type: 'text/plain' },
    { name: 'src/d.bin', content: wasm, type: 'application/octet-stream' },
    { name: 'src/j.json', content: '{"a":1}', type: 'application/json' },
    { name: 'src/w.wasm', content: wasm, type: 'application/wasm' },
    { name: 'src/c.cjs', content: 'exports.c = 3;', type: 'application/javascript' },
    { name: 'src/e.js', content: 'export const esm = 4;' },
    { name: 'src/index.js.map', content: '{}', type: 'application/source-map' },
  ]);
  const at = await deployed(url, 'modules', form);
  expect(JSON.parse(await textAt(at))).toEqual(['text', 8, 1, '[object WebAssembly.Module]', 3, 4]);
});

test('version_metadata tells the Worker its own id, tag and time', async () => {
  const { url } = await ownCloudflare();
  const bindings = [{ type: 'version_metadata', name: 'V' }];
  const form = uploadForm([answering('JSON.stringify(env.V)')], {
    bindings,
    annotations: { 'workers/tag': 'cmd-7' },
  });
  const at = await deployed(url, 'meta', form);
  const { result } = await apiOf(url)('GET', '/scripts/meta/versions');
  const [version] = z
    .object({ items: z.array(z.object({ id: z.string(), metadata: z.object({ created_on: z.string() }) })) })
    .parse(result).items;
  expect(JSON.parse(await textAt(at))).toEqual({
    id: version?.id,
    tag: 'cmd-7',
    timestamp: version?.metadata.created_on,
  });
});

test('a new version is hot: requests in flight on the old one end there, the next are on the new', async () => {
  const { url } = await ownCloudflare();
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const origin = await upstream((_req, res) => {
    arrived.resolve();
    void gate.promise.then(() => res.end('old'));
  });
  const at = await deployed(url, 'hot', uploadForm([answering(`(await fetch("${origin}")).body`)]));
  const inFlight = textAt(at);
  await arrived.promise;
  await deployed(url, 'hot', uploadForm([answering('"new"')]));
  expect(await textAt(at)).toBe('new');
  gate.resolve();
  expect(await inFlight).toBe('old');
});
