import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type Asked, bytes, echo, events, json, slow } from './answers.ts';
import type { ReceivedLog } from './received.ts';

/** The site's one page, with a form for leads. */
const PAGE = readFileSync(new URL('page.html', import.meta.url));

/**
 * The demo site's own server: its page at `/`. Below any prefix: `…/echo` and all below it, `…/sse`, `…/bytes/:n`,
 * `…/slow/:ms`, `…/status/:code`; `GET /_log` is what `/webhooks/*` received.
 */
export function demoSite(log: ReceivedLog, now: () => Date): RequestListener {
  return (request, response) => {
    serve(request, response, log, now).catch((error: unknown) => response.destroy(asError(error)));
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  log: ReceivedLog,
  now: () => Date,
): Promise<void> {
  const asked = await read(request);
  if (asked.path.startsWith('/webhooks/')) {
    const key = request.headers['idempotency-key'];
    const receiptId = typeof key === 'string' ? key : null;
    log.add({ receiptId, path: asked.path, sha256: asked.body.sha256, at: now().toISOString() });
  }
  if (asked.path === '/_log') json(response, 200, log.all());
  else if (asked.path === '/')
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(PAGE);
  else answer(asked, response, now);
}

const ECHO = /\/echo(?:\/|$)/;
const COUNTED = /\/(bytes|slow|status)\/(\d{1,10})$/;
/** What a number in a URL may be: bytes in one answer, 10 minutes, and the final statuses (1xx are none). */
const RANGES: Record<string, readonly [min: number, max: number]> = {
  bytes: [0, 1024 ** 3],
  slow: [0, 10 * 60_000],
  status: [200, 599],
};

function answer(asked: Asked, response: ServerResponse, now: () => Date): void {
  const [, what, number] = COUNTED.exec(asked.path) ?? [];
  if (ECHO.test(asked.path)) echo(asked, response);
  else if (asked.path.endsWith('/sse')) events(response, now);
  else if (what !== undefined) counted(response, what, Number(number));
  else if (asked.path.startsWith('/webhooks/')) json(response, 200, { received: true });
  else json(response, 404, { error: 'try …/echo, …/sse, …/bytes/:n, …/slow/:ms or …/status/:code' });
}

function counted(response: ServerResponse, what: string, n: number): void {
  const [min = 0, max = 0] = RANGES[what] ?? [];
  if (n < min || n > max) json(response, 400, { error: `expected ${min} to ${max}` });
  else if (what === 'bytes') bytes(response, n);
  else if (what === 'slow') slow(response, n);
  else json(response, n, { status: n });
}

async function read(request: IncomingMessage): Promise<Asked> {
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    hash.update(chunk);
    length += chunk.length;
  }
  const [path = '/'] = (request.url ?? '/').split('?');
  return { request, path, body: { length, sha256: hash.digest('hex') } };
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
