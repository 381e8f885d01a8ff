import { once } from 'node:events';
import { type IncomingMessage, request as plain } from 'node:http';
import { request as encrypted } from 'node:https';
import { TLSSocket } from 'node:tls';
import { VERSION_HEADER } from '@clawdbot/protocol';
import { unreached } from '../unreached.ts';

/** Lets a Worker's owner tell these visits from customers'. */
const USER_AGENT = 'clawdbot-health-check';
const TIMEOUT_MS = 10_000;
const DAY_MS = 24 * 60 * 60 * 1_000;
const VERSION_CHARS_MAX = 64;

/** What a customer who came now would have found. */
export interface Visit {
  /** Absent, as `latencyMs`, when nobody answered: then `error` says why. */
  readonly status?: number;
  /** Until the answer's head, on a connection of its own. */
  readonly latencyMs?: number;
  /** That answered, by its own word. */
  readonly version?: string;
  /** Whole days until the certificate ends; absent without TLS. */
  readonly certificateDays?: number;
  readonly error?: string;
}

/** Asks once for the address itself, as a customer does, within ten seconds. Never rejects. */
export async function visit(url: string, stop: AbortSignal): Promise<Visit> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(TIMEOUT_MS)]);
  const begun = performance.now();
  try {
    const response = await answerOf(url, signal);
    const latencyMs = Math.round(performance.now() - begun);
    const visited = { status: response.statusCode ?? 0, latencyMs, ...said(response), ...validity(response) };
    response.destroy();
    return visited;
  } catch (error) {
    return { error: unreached(error, TIMEOUT_MS) };
  }
}

async function answerOf(url: string, signal: AbortSignal): Promise<IncomingMessage> {
  const open = url.startsWith('https:') ? encrypted : plain;
  // No agent: a session that is taken up again shows no certificate, and its latency is another one.
  const request = open(url, { agent: false, headers: { 'User-Agent': USER_AGENT }, signal });
  request.end();
  const [response]: IncomingMessage[] = await once(request, 'response');
  // What still fails, fails unheard: the head is all that is wanted.
  request.on('error', () => {});
  if (response === undefined) throw new TypeError('a response comes with its message');
  return response;
}

function said({ headers }: IncomingMessage): Pick<Visit, 'version'> {
  const version = headers[VERSION_HEADER];
  return typeof version === 'string' ? { version: version.slice(0, VERSION_CHARS_MAX) } : {};
}

function validity({ socket }: IncomingMessage): Pick<Visit, 'certificateDays'> {
  if (!(socket instanceof TLSSocket)) return {};
  const ends = Date.parse(socket.getPeerCertificate().valid_to);
  return Number.isNaN(ends) ? {} : { certificateDays: Math.floor((ends - Date.now()) / DAY_MS) };
}
