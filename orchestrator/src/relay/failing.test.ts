import { once } from 'node:events';
import { createServer as createTcpServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { call, listening, rawUpstream, relayTo, upstream } from './relay.fixture.ts';

describe('an upstream that fails', () => {
  it('refuses the connection: nothing was started', async () => {
    const server = createTcpServer();
    const origin = await listening(server);
    server.close();
    await once(server, 'close');
    await expect(relayTo([{ upstream: origin }]).handle(call())).rejects.toMatchObject({
      code: 'upstream_failed',
      message: expect.stringMatching(/ECONNREFUSED/),
      details: { execution: 'not_started' },
    });
  });

  it.each([
    ['before it answers', ''],
    ['in the middle of its head', 'HTTP/1.1 200 OK\r\nX-A: '],
    ['in the middle of its body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'],
    ['with something that is no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ])('breaks off %s: it may have been carried out', async (_when, bytes) => {
    const origin = await rawUpstream((socket) => socket.once('data', () => socket.end(bytes)));
    await expect(relayTo([{ upstream: origin }]).handle(call({ method: 'POST' }))).rejects.toMatchObject({
      code: 'upstream_failed',
      details: { execution: 'may_have_executed' },
    });
  });

  it('is given up at the route’s timeout, and its connection destroyed', async () => {
    const route = { timeoutMs: 50 };
    const head = { deadlineMs: 60_000 };
    const gone = Promise.withResolvers<void>();
    const origin = await upstream((_request, response) => void response.on('close', () => gone.resolve()));
    await expect(relayTo([{ upstream: origin, ...route }]).handle(call(head))).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: expect.stringMatching(/50 ms/),
      details: { execution: 'may_have_executed' },
    });
    await gone.promise;
  });

  it('is let go when the customer leaves, with the reason they left for', async () => {
    const asked = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const origin = await upstream((_request, response) => {
      asked.resolve();
      response.on('close', () => gone.resolve());
    });
    const customer = new AbortController();
    const answer = relayTo([{ upstream: origin }]).handle(call({}, { signal: customer.signal }));
    const failed = expect(answer).rejects.toThrow('the customer left');
    await asked.promise;
    customer.abort(new Error('the customer left'));
    await failed;
    await gone.promise;
  });
});
