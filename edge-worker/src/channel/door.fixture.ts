/** A site whose requests are kept for when nobody is there: its customers, and the orchestrator's end. */
import { decodeChunk, type Hello, json, type Limits, type Route, type Webhook } from '@clawdbot/protocol';
import { channelOf, helloOf, Peer, value } from './channel.fixture.ts';
import type { RelayCall, RelayReply } from './relay-rpc.ts';

export const text = ({ body }: RelayReply) =>
  typeof body === 'string'
    ? body
    : new TextDecoder().decode(body instanceof ReadableStream ? undefined : (body ?? undefined));
export const header = ({ headers }: RelayReply, name: string) =>
  headers.find(([given]) => given === name)?.[1];
export const ticketOf = (reply: RelayReply): { receiptId: string; state: string } => JSON.parse(text(reply));

/**
 * Builds a site of its own with one route, and its object.
 * @param prefix the test file's own: files share a workerd
 */
export function builder(prefix: string) {
  let count = 0;
  return async function build(route: Partial<Route> = {}, limits?: Limits) {
    const vps = `${prefix}-${++count}`;
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
  };
}

const withQueue = (vps: string): Pick<Hello, 'logs'> => ({
  logs: {
    ...helloOf(vps).logs,
    queue: { logId: `queue-of-${vps}`, oldest: 1, last: 0, applied: 0 },
  },
});

/** The next stored request that the edge sends. */
export async function webhook(peer: Peer): Promise<Webhook & { seq: number }> {
  for (;;) {
    const { log, seq, body } = await peer.next('entry');
    if (log === 'queue') return { seq, ...JSON.parse(body) };
  }
}

/** Pulls a parcel as the orchestrator does. */
export async function pull(peer: Peer, { receiptId, parcel }: Webhook): Promise<Uint8Array> {
  peer.send({ type: 'blob', id: 1, sha256: parcel.sha256, part: 0, receiptId });
  return decodeChunk(await peer.nextChunk()).bytes;
}
