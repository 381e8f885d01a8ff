import { runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { channelOf, helloOf, Peer, stubOf, value } from './channel.fixture.ts';
import { deployment, ownVps, routed, site, vps } from './shop.fixture.ts';

ownVps('frames');

describe('a peer that misbehaves', () => {
  it('S5: what comes behind a refused hello is not heard', async () => {
    const peer = await Peer.connect(vps, { generation: 2, instanceId: 'process-b' });
    const stale = await Peer.dial(vps);
    if (stale instanceof Response) throw new Error('refused too early');
    stale.send(helloOf(vps), { ...helloOf(vps), generation: 9, instanceId: 'process-c' });
    expect(await stale.closed()).toMatchObject({ code: 4409 });
    expect(await channelOf(vps).describe()).toMatchObject({ generation: 2, presence: { state: 'online' } });
    await routed();
    await peer.next('entry');
  });

  it('a generation that no other could ever reach is refused', async () => {
    const peer = await Peer.dial(vps);
    if (peer instanceof Response) throw new Error('refused too early');
    peer.send({ ...helloOf(vps), generation: Number.MAX_SAFE_INTEGER });
    expect(await peer.closed()).toMatchObject({ code: 4400 });
    await Peer.connect(vps);
  });

  it('asks for blobs and reads nothing: beyond 32 MiB it is refused, and nothing is kept for it', async () => {
    await site();
    value(await channelOf(vps).deploy(deployment(`//${'x'.repeat(1_048_576)}`)));
    const peer = await Peer.connect(vps);
    const { modules } = JSON.parse((await peer.next('entry')).body) as { modules: { sha256: string }[] };
    const sha256 = modules[0]?.sha256 ?? '';
    const ids = Array.from({ length: 40 }, (_, at) => at * 2 + 1);
    peer.send(...ids.map((id) => ({ type: 'blob' as const, id, sha256, part: 0 })));
    expect(await peer.next('probe')).toMatchObject({ n: expect.any(Number) });
    expect(await peer.next('error')).toMatchObject({ error: { code: 'overloaded' } });
  });

  it('L5: has applied more of the log than there is: the log is a new one, and its next entry is sent', async () => {
    await site();
    const older = await Peer.connect(vps);
    older.close(1000, 'done');
    const edgeLog = await runInDurableObject(stubOf(vps), (_object, { storage }) =>
      String(
        storage.sql.exec(`SELECT log_id FROM log_state WHERE direction = 'out' AND log = 'control'`).one()[
          'log_id'
        ],
      ),
    );
    const peer = await Peer.dial(vps);
    if (peer instanceof Response) throw new Error('refused');
    const control = { logId: `log-of-${vps}`, oldest: 1, last: 0, peerLogId: edgeLog, applied: 500 };
    peer.send({ ...helloOf(vps), logs: { control } });
    expect((await peer.next('welcome')).logs.control.logId).not.toBe(edgeLog);
    value(await channelOf(vps).deploy(deployment()));
    expect(await peer.next('entry')).toMatchObject({ seq: 1 });
  });
});

describe('frames', () => {
  it.each([
    ['not JSON', '['],
    ['not an array', '{"type":"probe","n":1}'],
    ['an empty array', '[]'],
    ['a frame without a type', '[{}]'],
    ['a member of the wrong type', '[{"type":"ack","log":"control","applied":"1"}]'],
    ['a binary message without a header', new Uint8Array(3)],
    ['a binary message of another version', new Uint8Array([9, 0, 0, 0, 0, 0, 0, 2])],
  ])('F2: %s closes the socket with 4400', async (_name, message) => {
    const peer = await Peer.connect(vps);
    peer.sendRaw(message);
    expect(await peer.closed()).toMatchObject({ code: 4400 });
  });

  it('F3: a frame of an unknown type is ignored and counted', async () => {
    const peer = await Peer.connect(vps);
    peer.sendRaw('[{"type":"from_the_future","n":1}]');
    await routed();
    await peer.next('entry');
    expect((await channelOf(vps).describe()).unknownFrames).toBe(1);
  });

  it('F4: a text message over the limit closes with 4413', async () => {
    const peer = await Peer.connect(vps);
    peer.sendRaw(`["${'x'.repeat(1_100_000)}"]`);
    expect(await peer.closed()).toMatchObject({ code: 4413 });
  });

  it('C3: answers for unknown ids are ignored', async () => {
    const peer = await Peer.connect(vps);
    peer.send({ type: 'response', id: 4_242, status: 200, headers: [], body: { kind: 'none' } });
    peer.sendRaw(new Uint8Array([1, 1, 0, 0, 0, 0, 9, 9, 1, 2, 3]));
    await routed();
    await peer.next('entry');
  });
});
