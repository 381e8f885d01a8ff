import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createEncrypted } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import { CERTIFICATE, KEY } from './certificate.fixture.ts';
import { visit } from './visit.ts';

const never = new AbortController().signal;

/** @returns its port */
async function serve(
  server: Pick<Server, 'listen' | 'close' | 'address' | 'closeAllConnections'> & NodeJS.EventEmitter,
) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
const answering = (answer: RequestListener) => serve(createServer(answer));

it('says the status, how long the answer took, and which version gave it', async () => {
  const agents: (string | undefined)[] = [];
  const port = await answering((request, response) => {
    agents.push(request.headers['user-agent']);
    response.writeHead(503, { 'Worker-Version': 'v-2' }).end('sick');
  });
  const visited = await visit(`http://127.0.0.1:${port}/`, never);
  expect(visited).toEqual({ status: 503, latencyMs: expect.any(Number), version: 'v-2' });
  expect(agents).toEqual(['clawdbot-health-check']);
});

it('follows no redirect, and waits for no body', async () => {
  const port = await answering((_, response) => {
    response.writeHead(302, { Location: 'http://127.0.0.1:1/' });
    response.write('a body without an end');
  });
  expect(await visit(`http://127.0.0.1:${port}/`, never)).toMatchObject({ status: 302 });
});

it('says for how long the certificate holds', async () => {
  const trusted = getCACertificates('default');
  setDefaultCACertificates([...trusted, CERTIFICATE]);
  onTestFinished(() => setDefaultCACertificates(trusted));
  const port = await serve(createEncrypted({ key: KEY, cert: CERTIFICATE }, (_, response) => response.end()));
  const days = Math.floor((Date.parse('2120-01-01') - Date.now()) / 86_400_000);
  // The second time, too, when a session could be taken up again.
  for (let n = 0; n < 2; n++)
    expect(await visit(`https://localhost:${port}/`, never)).toMatchObject({
      status: 200,
      certificateDays: days,
    });
});

it('has the reason of what did not answer: a certificate that nobody trusts, a closed port, a stop', async () => {
  const port = await serve(createEncrypted({ key: KEY, cert: CERTIFICATE }, (_, response) => response.end()));
  expect(await visit(`https://localhost:${port}/`, never)).toEqual({
    error: expect.stringMatching(/self-signed/),
  });
  expect(await visit('http://127.0.0.1:1/', never)).toEqual({ error: expect.stringMatching(/ECONNREFUSED/) });
  const silent = await answering(() => {});
  const visited = await visit(`http://127.0.0.1:${silent}/`, AbortSignal.timeout(50));
  expect(visited).toEqual({ error: expect.any(String) });
});
