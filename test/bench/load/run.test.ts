import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { bodyOf } from '../relay/origin/body.ts';
import { run } from './run.ts';

async function against(listener: RequestListener) {
  const server = createServer(listener);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo; // Of a server that listens on TCP.
  return run({
    port,
    host: 'somewhere',
    path: '/a',
    sendBytes: 0,
    connections: 4,
    warmupMs: 20,
    measureMs: 80,
  });
}

const numberIn = (url = ''): string => url.split('?n=')[1] ?? '';

test('correct replies are counted, and none is an error', async () => {
  const hosts = new Set<string | undefined>();
  const { replies, served, errors, p50Ms, p99Ms } = await against((request, response) => {
    hosts.add(request.headers.host);
    response.end(bodyOf(numberIn(request.url)));
  });
  expect(errors).toBe(0);
  expect(replies).toBeGreaterThan(4);
  expect(served).toBeGreaterThan(replies);
  expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
  expect([...hosts]).toEqual(['somewhere']);
});

test('another request’s reply is an error', async () => {
  let last = '';
  const { errors, replies, firstError } = await against((request, response) => {
    response.end(bodyOf(last));
    last = numberIn(request.url);
  });
  expect(replies).toBe(0);
  expect(errors).toBeGreaterThan(0);
  expect(firstError).toMatch(/^request \d+ was answered 200: reply/);
});

test('a status other than 200 is an error', async () => {
  const { firstError } = await against((request, response) => {
    response.writeHead(503).end(bodyOf(numberIn(request.url)));
  });
  expect(firstError).toContain('was answered 503');
});

test('a connection that is cut is one error', async () => {
  const { errors, replies } = await against((request) => request.socket.destroy());
  expect([errors, replies]).toEqual([4, 0]);
});
