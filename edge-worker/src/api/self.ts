import { Failure, type HeaderList } from '@clawdbot/protocol';
import { API_PREFIX } from '@clawdbot/protocol/routes';
import { requireAdmin } from '../auth/user.ts';
import type { RelayReply } from '../channel/relay-rpc.ts';
import { Orchestrators } from '../data/orchestrators.ts';
import { keepDeadline } from '../relay/call.ts';
import { replyResponse } from '../relay/reply.ts';
import { callOf } from '../relay/request.ts';
import { CONTROL_LANE } from '../services.ts';
import type { ApiContext } from './env.ts';

const PREFIX = `${API_PREFIX}/orchestrator`;
const CHOICE = 'header X-Orchestrator-Id or ?orchestrator=';

/** `ANY /api/v1/orchestrator/*`: an admin's request to an orchestrator's own HTTP API, over the channel. */
export async function toItself(c: ApiContext): Promise<Response> {
  requireAdmin(c.var.user);
  const { services, address, requestId } = c.env;
  const { url, orchestratorId } = splitChoice(address.url.slice(PREFIX.length));
  if (!url.startsWith('/'))
    throw new Failure('not_found', 'expected a path of the orchestrator, such as /health');
  const named = c.req.header('x-orchestrator-id') ?? orchestratorId;
  const { id } = await new Orchestrators(services.db, c.var.user.org_id).choose(named, CHOICE);
  const { randomHex, background } = services;
  const call = await callOf(c.req.raw, { requestId, address, url, randomHex });
  const headers: HeaderList = [
    ...call.headers.filter(isNotCredential),
    ['x-actor', encodeURI(c.var.user.sub)],
  ];
  const channel = services.channel(id, CONTROL_LANE);
  const reply = await keepDeadline({
    requestId,
    deadlineMs: call.deadlineMs,
    channel,
    signal: c.req.raw.signal,
    background,
    open: () => channel.relay({ ...call, headers, target: 'self' }),
  });
  return consoleSafe(reply, c.req.method, requestId);
}

/** Takes `orchestrator=…` out of the query; everything else stays as it was sent. */
function splitChoice(url: string): { url: string; orchestratorId: string | undefined } {
  const [path = '', ...query] = url.split('?');
  const pairs = query.join('?').split('&');
  const choice = pairs.find((pair) => pair.startsWith('orchestrator='));
  if (choice === undefined) return { url, orchestratorId: undefined };
  const rest = pairs.filter((pair) => !pair.startsWith('orchestrator=')).join('&');
  return {
    url: rest === '' ? path : `${path}?${rest}`,
    orchestratorId: choice.slice('orchestrator='.length),
  };
}

/** The edge has checked who asks; the token that says so is not the orchestrator's to have. */
const isNotCredential = ([name]: [string, string]): boolean => name !== 'authorization' && name !== 'cookie';

/** All that an orchestrator's API needs to answer; the rest could act on the console's origin. */
const ANSWER_HEADERS = new Set([
  'allow',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-type',
  'etag',
  'last-modified',
  'location',
  'retry-after',
]);

/**
 * The answer of a VPS, on the origin of the console: should that VPS have been taken over, it must not be able
 * to set a cookie here, or run a page with the session of the admin who looks.
 */
function consoleSafe(reply: RelayReply, method: string, requestId: string): Response {
  const headers = reply.headers.filter(([name]) => ANSWER_HEADERS.has(name.toLowerCase()));
  const response = replyResponse({ ...reply, headers }, method, requestId);
  response.headers.set('Content-Security-Policy', "default-src 'none'; sandbox");
  response.headers.set('X-Content-Type-Options', 'nosniff');
  return response;
}
