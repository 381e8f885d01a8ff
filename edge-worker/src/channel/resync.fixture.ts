/** The VPS's end of a log, at any time of its database. */
import type { Entry, Hello, Positions } from '@clawdbot/protocol';
import { expect } from 'vitest';
import { channelOf, Peer, value } from './channel.fixture.ts';
import { deployment, vps } from './shop.fixture.ts';

export const bodies = (entries: readonly Entry[]) => entries.map(({ body }) => JSON.parse(body));

/** @returns the command's id */
export const deploy = async (n: number) =>
  value(await channelOf(vps).deploy(deployment(`export default ${n}`))).commandId;

/** @returns the command's id */
export const edit = async (base: number, siteId = 'shop') => {
  const payload = { base, patch: { worker: { vars: { N: `${base}` } } } };
  return value(await channelOf(vps).updateConfig({ siteId, actor: 'op', payload })).commandId;
};

/** The next `n` entries. */
export const take = async (peer: Peer, n: number) => {
  const entries: Entry[] = [];
  while (entries.length < n) entries.push(await peer.next('entry'));
  return entries;
};

export const done = (commandId: string) => ({ type: 'command_result', commandId, at: 1, state: 'succeeded' });

/** What the VPS's database says of itself, at any time of it. */
interface Copy {
  readonly own: Pick<Positions, 'logId' | 'continues' | 'last'>;
  readonly edgeLog?: string;
  readonly applied: number;
}

export const helloFrom = ({ own, edgeLog, applied }: Copy, hello: Partial<Hello> = {}): Partial<Hello> => ({
  ...hello,
  logs: {
    control: { ...own, oldest: 1, applied, ...(edgeLog === undefined ? {} : { peerLogId: edgeLog }) },
  },
});

/** After `clawctl restore`: a new log that continues the one of the backup, and the next generation. */
export const restored = (copy: Copy, sites: Hello['sites'] = []): Partial<Hello> => {
  const { logId, last } = copy.own;
  const own = { logId: `${logId}-again`, continues: { logId, seq: last }, last };
  return helloFrom({ ...copy, own }, { generation: 2, instanceId: 'process-b', sites });
};

/** The VPS's own log, nothing of which was written yet. */
export const first = () => ({ logId: `log-of-${vps}`, last: 0 });

/** Connects a new VPS. @returns its socket, and the edge's log that it follows */
export async function begin(): Promise<{ peer: Peer; edgeLog: string }> {
  const peer = await Peer.greet(vps, helloFrom({ own: first(), applied: 0 }));
  const { logs } = await peer.next('welcome');
  return { peer, edgeLog: logs.control.logId };
}

/** Commits entries 1 to `applied` of the edge's. */
export async function acknowledge(peer: Peer, applied: number): Promise<void> {
  peer.send({ type: 'ack', log: 'control', applied });
  await expect.poll(async () => (await channelOf(vps).describe()).queues.control).toBe(0);
}

export async function leave(peer: Peer): Promise<void> {
  peer.close(1001, 'stopped');
  await expect.poll(async () => (await channelOf(vps).describe()).presence.state).toBe('away');
}
