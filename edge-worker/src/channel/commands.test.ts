import { runInDurableObject } from 'cloudflare:test';
import { decodeChunk } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { channelOf, entry, errorOf, Peer, stubOf, value } from './channel.fixture.ts';
import { deployment, ownVps, site, vps } from './shop.fixture.ts';

ownVps('commands');

describe('commands', () => {
  it('a command waits for its orchestrator, and its history tells its way', async () => {
    await site();
    const { commandId } = value(await channelOf(vps).deploy(deployment()));
    const peer = await Peer.connect(vps);
    const entry = await peer.next('entry');
    expect(JSON.parse(entry.body)).toMatchObject({
      type: 'deploy_worker',
      commandId,
      modules: [{ path: 'i.js' }],
    });
    peer.send({ type: 'ack', log: 'control', applied: entry.seq });
    const from = { log: 'control' as const, at: 1 };
    peer.send(
      {
        type: 'entry',
        ...from,
        seq: 1,
        body: JSON.stringify({ type: 'command_progress', commandId, at: 5, milestone: 'running' }),
      },
      {
        type: 'entry',
        ...from,
        seq: 2,
        body: JSON.stringify({ type: 'command_progress', commandId, at: 6, milestone: 'uploaded' }),
      },
      {
        type: 'entry',
        ...from,
        seq: 3,
        body: JSON.stringify({
          type: 'command_result',
          commandId,
          at: 7,
          state: 'succeeded',
          result: { url: 'u' },
        }),
      },
    );
    expect(await peer.next('ack')).toMatchObject({ applied: 3 });
    const command = value(await channelOf(vps).command(commandId));
    expect(command.history.map(({ state }) => state)).toEqual([
      'queued',
      'delivered',
      'running',
      'succeeded',
    ]);
    expect(command).toMatchObject({
      state: 'succeeded',
      result: { url: 'u' },
      milestones: [{ milestone: 'uploaded' }],
    });
  });

  it('the first result counts', async () => {
    await site();
    const { commandId } = value(await channelOf(vps).deploy(deployment()));
    const peer = await Peer.connect(vps);
    const result = (state: 'failed' | 'succeeded', seq: number) =>
      ({
        type: 'entry',
        log: 'control',
        at: 1,
        seq,
        body: JSON.stringify({ type: 'command_result', commandId, at: seq, state }),
      }) as const;
    peer.send(result('failed', 1), result('succeeded', 2));
    await peer.next('ack');
    expect(value(await channelOf(vps).command(commandId)).state).toBe('failed');
  });

  it('a command that does not fit the log is refused as too large, and nothing is kept of it', async () => {
    await site();
    const vars = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`V${at}`, 'x'.repeat(5_000)]));
    const { payload } = deployment();
    const error = errorOf(await channelOf(vps).deploy({ ...deployment(), payload: { ...payload, vars } }));
    expect(error.code).toBe('too_large');
    expect((await channelOf(vps).describe()).queues.control).toBe(0);
  });

  it('a key is good for one request: the same gets the first answer, another is refused', async () => {
    await site();
    const idempotencyKey = 'k1';
    const first = value(await channelOf(vps).deploy({ ...deployment(), idempotencyKey }));
    expect(value(await channelOf(vps).deploy({ ...deployment(), idempotencyKey })).commandId).toBe(
      first.commandId,
    );
    expect(errorOf(await channelOf(vps).deploy({ ...deployment('export {}'), idempotencyKey })).code).toBe(
      'idempotency_mismatch',
    );
  });

  it('L10: a command that never left is withdrawn; one that did is asked to stop', async () => {
    await site();
    const { commandId } = value(await channelOf(vps).deploy(deployment()));
    expect(value(await channelOf(vps).cancelCommand(commandId, 'op')).state).toBe('cancelled');
    const peer = await Peer.connect(vps);
    expect(JSON.parse((await peer.next('entry')).body)).toEqual({ type: 'withdrawn', commandId });
    const sent = value(await channelOf(vps).deploy(deployment()));
    await peer.next('entry');
    expect(value(await channelOf(vps).cancelCommand(sent.commandId, 'op')).state).toBe('queued');
    expect(JSON.parse((await peer.next('entry')).body)).toMatchObject({
      type: 'cancel_command',
      commandId: sent.commandId,
    });
  });

  it('a command that expires while its orchestrator is away is never sent', async () => {
    await site();
    const { commandId } = value(
      await channelOf(vps).deploy({
        ...deployment(),
        payload: { ...deployment().payload, expiresInMs: 1_000 },
      }),
    );
    await expect
      .poll(async () => value(await channelOf(vps).command(commandId)).state, { timeout: 5_000 })
      .toBe('expired');
    const peer = await Peer.connect(vps);
    expect(JSON.parse((await peer.next('entry')).body)).toEqual({ type: 'withdrawn', commandId });
  });

  it('C7: a blob comes in parts of 1 MiB, and goes when its command has ended', async () => {
    await site();
    const text = `export default ${JSON.stringify('x'.repeat(1_500_000))}`;
    const { commandId } = value(await channelOf(vps).deploy(deployment(text)));
    const peer = await Peer.connect(vps);
    const { modules } = JSON.parse((await peer.next('entry')).body) as {
      modules: { sha256: string; bytes: number }[];
    };
    const sha256 = modules[0]?.sha256 ?? '';
    let received = 0;
    for (const part of [0, 1]) {
      peer.send({ type: 'blob', id: 1, sha256, part });
      for (let last = false; !last; ) {
        const chunk = decodeChunk(await peer.nextChunk());
        received += chunk.bytes.length;
        last = chunk.last;
      }
    }
    expect(received).toBe(text.length);
    peer.send(entry(1, { type: 'command_result', commandId, at: 1, state: 'succeeded' }));
    await peer.next('ack');
    peer.send({ type: 'blob', id: 3, sha256, part: 0 });
    expect(await peer.next('error')).toMatchObject({ id: 3, error: { code: 'blob_missing' } });
  });

  it('L6: an entry that cannot be read moves the position and holds nothing up', async () => {
    await site();
    const { commandId } = value(await channelOf(vps).deploy(deployment()));
    const peer = await Peer.connect(vps);
    peer.send(
      { type: 'entry', log: 'control', seq: 1, at: 1, body: '{"type":"from_the_future"}' },
      entry(2, { type: 'command_result', commandId, at: 1, state: 'succeeded' }),
    );
    expect(await peer.next('ack')).toMatchObject({ applied: 2 });
    expect(value(await channelOf(vps).command(commandId)).state).toBe('succeeded');
  });

  it('L4: skipped entries close the socket', async () => {
    const peer = await Peer.connect(vps);
    peer.send({ type: 'entry', log: 'control', seq: 2, at: 1, body: '{}' });
    expect(await peer.closed()).toMatchObject({ code: 4400 });
  });
});

describe('D1', () => {
  it('commands appear in the projection, at their latest version', async () => {
    await site();
    const { commandId } = value(await channelOf(vps).deploy(deployment()));
    value(await channelOf(vps).cancelCommand(commandId, 'op'));
    await expect
      .poll(() =>
        runInDurableObject(
          stubOf(vps),
          (_object, ctx) =>
            ctx.storage.sql.exec('SELECT COUNT(*) AS n FROM commands WHERE version > projected').one()['n'],
        ),
      )
      .toBe(0);
  });
});
