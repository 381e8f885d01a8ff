import { describe, expect, it } from 'vitest';
import { channelOf, helloOf, Peer, value } from './channel.fixture.ts';
import { deployment, ownVps, routed, vps } from './shop.fixture.ts';

ownVps('lost');

describe('a lost database', () => {
  it('L11: an orchestrator with a new log gets every config, then what is not finished, and nothing that is', async () => {
    await routed();
    const first = await Peer.connect(vps);
    const config = await first.next('entry');
    const { commandId: done } = value(await channelOf(vps).deploy(deployment('export default 1')));
    await first.next('entry');
    const { commandId: open } = value(await channelOf(vps).deploy(deployment('export default 2')));
    const last = await first.next('entry');
    first.send({ type: 'ack', log: 'control', applied: last.seq });
    const result = { type: 'command_result', commandId: done, at: 1, state: 'succeeded' };
    first.send({ type: 'entry', log: 'control', seq: 1, at: 1, body: JSON.stringify(result) });
    await first.next('ack');
    first.close(1001, 'lost');
    await expect.poll(async () => (await channelOf(vps).describe()).presence.state).toBe('away');

    const empty = {
      instanceId: 'process-b',
      logs: { control: { logId: 'log-new-one', oldest: 1, last: 0, applied: 0 } },
    };
    const refused = await Peer.dial(vps);
    if (refused instanceof Response) throw new Error('refused too early');
    refused.send({ ...helloOf(vps), ...empty });
    expect(await refused.closed()).toMatchObject({ code: 4409 });
    await channelOf(vps).release();

    const peer = await Peer.dial(vps);
    if (peer instanceof Response) throw new Error('refused');
    peer.send({ ...helloOf(vps), ...empty });
    const { logs } = await peer.next('welcome');
    expect(logs.control.oldest).toBe(last.seq + 1);
    const again = [await peer.next('entry'), await peer.next('entry')];
    expect(again.map(({ seq }) => seq)).toEqual([last.seq + 1, last.seq + 2]);
    expect(again.map(({ body }) => JSON.parse(body))).toMatchObject([
      { type: 'update_config', generation: 1, config: JSON.parse(config.body).config },
      { type: 'deploy_worker', commandId: open, again: true },
    ]);
  });
});

describe('a lost database whose newest config had been refused', () => {
  it('L5: the generation that ran is given first, then the desired one', async () => {
    await routed();
    const first = await Peer.connect(vps);
    const entry = await first.next('entry');
    const { digest } = JSON.parse(entry.body) as { digest: string };
    first.send({
      type: 'status',
      at: 1,
      version: '0.1.0',
      uptimeS: 1,
      memory: { rssBytes: 1, heapUsedBytes: 1 },
      queues: { inbox: 0, outbox: 0, deadLetters: 0 },
      sites: [{ siteId: 'shop', generation: 1, digest }],
      workers: [],
      tunnel: { state: 'not_configured' },
    });
    const edit = { base: 1, patch: { worker: { vars: { A: '1' } } } };
    value(await channelOf(vps).updateConfig({ siteId: 'shop', payload: edit, actor: 'op' }));
    const refused = await first.next('entry');
    const { commandId } = JSON.parse(refused.body) as { commandId: string };
    first.send({ type: 'ack', log: 'control', applied: refused.seq });
    const result = { type: 'command_result', commandId, at: 1, state: 'failed' };
    first.send({ type: 'entry', log: 'control', seq: 1, at: 1, body: JSON.stringify(result) });
    await first.next('ack');
    await channelOf(vps).release();
    const peer = await Peer.dial(vps);
    if (peer instanceof Response) throw new Error('refused');
    const control = { logId: 'log-new-one', oldest: 1, last: 0, applied: 0 };
    peer.send({ ...helloOf(vps), instanceId: 'process-b', logs: { control } });
    const again = [await peer.next('entry'), await peer.next('entry')];
    expect(again.map(({ body }) => JSON.parse(body).generation)).toEqual([1, 2]);
  });
});
