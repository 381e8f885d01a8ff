import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { decodeChunk, encodeChunk } from '@clawdbot/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { channelOf, errorOf, helloOf, Peer, stubOf, value } from './channel.fixture.ts';

let vps = 'vps-0';
let count = 0;
beforeEach(() => {
  vps = `vps-${++count}`;
});

const site = async (id = 'shop') =>
  value(await channelOf(vps).putSite(id, { paused: false, orgId: 'org-1' }));
const get = (url = '/a?b=1') => ({
  requestId: `r${++count}`,
  target: 'upstream' as const,
  siteId: 'shop',
  method: 'GET',
  url,
  headers: [] as [string, string][],
  body: null,
  deadlineMs: 5_000,
});
const anyRoute = { base: 0, config: { routes: [{ path: '/*', upstream: 'http://127.0.0.1:9' }] } };
const routed = async () => {
  await site();
  value(await channelOf(vps).updateConfig({ siteId: 'shop', payload: anyRoute, actor: 'op' }));
};
const deployment = (text = 'export default {}') => ({
  siteId: 'shop',
  actor: 'op',
  payload: { name: 'w', mainModule: 'i.js', modules: { 'i.js': text }, compatibilityDate: '2026-01-01' },
});

describe('the handshake', () => {
  it('D2: a token opens one connection', async () => {
    expect(await Peer.dial(vps, 'once')).toBeInstanceOf(Peer);
    const second = await Peer.dial(vps, 'once');
    expect(second).toBeInstanceOf(Response);
    expect((second as Response).status).toBe(401);
    expect(await (second as Response).json()).toMatchObject({ code: 'token_replayed' });
  });

  it('S6: each admission raises the fence, and the older socket of another process ends for good', async () => {
    const older = await Peer.connect(vps);
    await Peer.connect(vps, { generation: 2, instanceId: 'process-b' });
    expect(await older.closed()).toMatchObject({ code: 4409 });
    expect(await channelOf(vps).describe()).toMatchObject({
      fence: 2,
      generation: 2,
      presence: { state: 'online' },
    });
  });

  it('S6: the older socket of the same process is replaced', async () => {
    const older = await Peer.connect(vps);
    await Peer.connect(vps);
    expect(await older.closed()).toMatchObject({ code: 4410 });
  });

  it('S5: a superseded process that dials again is refused, and the newer one stays', async () => {
    await Peer.connect(vps, { generation: 2, instanceId: 'process-b' });
    const stale = await Peer.dial(vps);
    if (stale instanceof Response) throw new Error('refused too early');
    stale.send(helloOf(vps));
    expect(await stale.closed()).toMatchObject({ code: 4409 });
    expect((await channelOf(vps).describe()).presence.state).toBe('online');
  });

  it('S1: a frame before hello is malformed', async () => {
    const peer = await Peer.dial(vps);
    if (peer instanceof Response) throw new Error('refused');
    peer.send({ type: 'ack', log: 'control', applied: 0 });
    expect(await peer.closed()).toMatchObject({ code: 4400 });
  });
});

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

describe('calls', () => {
  it('a request crosses and its answer comes back', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    const answered = channelOf(vps).relay({
      ...get(),
      method: 'POST',
      body: new TextEncoder().encode('lead'),
    });
    const request = await peer.next('request');
    expect(request).toMatchObject({ method: 'POST', url: '/a?b=1', body: { kind: 'text', data: 'lead' } });
    peer.send({
      type: 'response',
      id: request.id,
      status: 201,
      headers: [
        ['x', '1'],
        ['x', '2'],
      ],
      body: { kind: 'text', data: 'ok' },
    });
    const reply = value(await answered);
    expect(reply).toMatchObject({
      status: 201,
      headers: [
        ['x', '1'],
        ['x', '2'],
      ],
    });
    expect(await new Response(reply.body).text()).toBe('ok');
  });

  it('C6: bodies above 16 KiB cross as binary messages, both ways', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    const sent = new Uint8Array(100_000).fill(7);
    const answered = channelOf(vps).relay({ ...get(), method: 'PUT', body: sent });
    const { id, body } = await peer.next('request');
    expect(body).toEqual({ kind: 'stream', length: 100_000 });
    peer.send({ type: 'credit', id, bytes: 100_000 });
    let received = 0;
    while (received < 100_000) received += decodeChunk(await peer.nextChunk()).bytes.length;
    peer.send({ type: 'response', id, status: 200, headers: [], body: { kind: 'stream' } });
    for (const last of [0, 1])
      peer.sendRaw(encodeChunk({ id, last: last === 1, bytes: new Uint8Array(30_000) }));
    const reply = value(await answered);
    expect((await new Response(reply.body).arrayBuffer()).byteLength).toBe(60_000);
  });

  it('away: a call fails at once, not started, with a time to come back', async () => {
    await routed();
    expect(errorOf(await channelOf(vps).relay(get()))).toMatchObject({
      code: 'orchestrator_away',
      execution: 'not_started',
      retryAfterMs: expect.any(Number),
    });
  });

  it('C2: a call whose socket is lost may have been executed', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    const answered = channelOf(vps).relay(get());
    await peer.next('request');
    peer.close(1001, 'stopping');
    expect(errorOf(await answered)).toMatchObject({
      code: 'orchestrator_lost',
      execution: 'may_have_executed',
    });
    expect((await channelOf(vps).describe()).presence).toMatchObject({ state: 'away', reason: 'stopping' });
  });

  it('S9: a silent socket with an open call is probed and given up', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    const began = Date.now();
    const answered = channelOf(vps).relay(get());
    await peer.next('probe');
    expect(errorOf(await answered)).toMatchObject({ code: 'orchestrator_lost' });
    expect(Date.now() - began).toBeLessThan(4_500);
    expect(await peer.closed()).toMatchObject({ code: 4504 });
  });

  it('C4: a call that nobody waits for is cancelled on the wire, and its late answer ignored', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    const call = get();
    const answered = channelOf(vps).relay(call);
    const { id } = await peer.next('request');
    await channelOf(vps).cancelCall(call.requestId);
    expect(await peer.next('cancel')).toMatchObject({ id });
    expect(errorOf(await answered).code).toBe('deadline_exceeded');
    peer.send({ type: 'response', id, status: 200, headers: [], body: { kind: 'none' } });
    const second = channelOf(vps).relay(get());
    const request = await peer.next('request');
    peer.send({ type: 'response', id: request.id, status: 204, headers: [], body: { kind: 'none' } });
    expect(value(await second).status).toBe(204);
  });

  it('S10: a draining socket gets nothing new, and may finish what is open', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    const open = channelOf(vps).relay(get());
    const { id } = await peer.next('request');
    peer.send({ type: 'drain', reason: 'restarting' });
    await expect.poll(async () => (await channelOf(vps).describe()).presence.state).toBe('draining');
    expect(errorOf(await channelOf(vps).relay(get())).code).toBe('orchestrator_away');
    const successor = await Peer.connect(vps, { generation: 2, instanceId: 'process-b' });
    peer.send({ type: 'response', id, status: 200, headers: [], body: { kind: 'none' } });
    expect(value(await open).status).toBe(200);
    const next = channelOf(vps).relay(get());
    expect((await successor.next('request')).url).toBe('/a?b=1');
    successor.close(1000, 'done');
    await next;
  });

  it('a paused site is 503, an unknown one 404; which route takes a request the orchestrator says', async () => {
    await site();
    const peer = await Peer.connect(vps);
    const answered = channelOf(vps).relay(get());
    const { id } = await peer.next('request');
    peer.send({ type: 'response', id, status: 404, headers: [], body: { kind: 'none' } });
    expect(value(await answered).status).toBe(404);
    expect(errorOf(await channelOf(vps).relay({ ...get(), siteId: 'unknown' })).code).toBe('not_found');
    value(await channelOf(vps).putSite('shop', { paused: true, orgId: 'org-1' }));
    expect(errorOf(await channelOf(vps).relay(get())).code).toBe('site_paused');
  });
});

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
    peer.send({
      type: 'entry',
      log: 'control',
      seq: 1,
      at: 1,
      body: JSON.stringify({ type: 'command_result', commandId, at: 1, state: 'succeeded' }),
    });
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
      {
        type: 'entry',
        log: 'control',
        seq: 2,
        at: 1,
        body: JSON.stringify({ type: 'command_result', commandId, at: 1, state: 'succeeded' }),
      },
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

describe('config', () => {
  const edit = (base: number, patch: unknown) => ({
    siteId: 'shop',
    actor: 'op',
    payload: { base, patch: patch as never },
  });

  it('an edit on a stale base is refused, and changes nothing', async () => {
    await site();
    value(await channelOf(vps).updateConfig(edit(0, { worker: { vars: { A: '1' } } })));
    expect(errorOf(await channelOf(vps).updateConfig(edit(0, { worker: { vars: { A: '2' } } }))).code).toBe(
      'stale_base',
    );
    expect(value(await channelOf(vps).config('shop'))).toMatchObject({
      generation: 1,
      config: { worker: { vars: { A: '1' } } },
    });
  });

  it('an edit that makes no valid config names the path', async () => {
    await site();
    const error = errorOf(
      await channelOf(vps).updateConfig(edit(0, { routes: [{ path: 'x', upstream: 'http://a' }] })),
    );
    expect(error).toMatchObject({
      code: 'bad_request',
      message: expect.stringContaining('payload.config.routes[0].path'),
    });
  });

  it('a newer generation supersedes one that never left', async () => {
    await site();
    const first = value(await channelOf(vps).updateConfig(edit(0, { worker: { vars: { A: '1' } } })));
    value(await channelOf(vps).updateConfig(edit(1, { worker: { vars: { A: '2' } } })));
    expect(value(await channelOf(vps).command(first.commandId))).toMatchObject({
      state: 'cancelled',
      history: [{ state: 'queued' }, { state: 'cancelled', reason: 'superseded' }],
    });
  });

  it('a newer generation leaves the one that a queued deployment is to carry', async () => {
    await site();
    const first = value(await channelOf(vps).updateConfig(edit(0, { worker: { vars: { A: '1' } } })));
    value(await channelOf(vps).deploy(deployment()));
    const second = value(await channelOf(vps).updateConfig(edit(1, { worker: { vars: { A: '2' } } })));
    value(await channelOf(vps).updateConfig(edit(2, { worker: { vars: { A: '3' } } })));
    const stateOf = async ({ commandId }: { commandId: string }) =>
      value(await channelOf(vps).command(commandId)).state;
    expect([await stateOf(first), await stateOf(second)]).toEqual(['queued', 'cancelled']);
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

describe('a deleted site', () => {
  it('is taken from the orchestrator too, so that its successor starts afresh', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    await peer.next('entry');
    value(await channelOf(vps).removeSite('shop'));
    expect(JSON.parse((await peer.next('entry')).body)).toEqual({ type: 'remove_site', siteId: 'shop' });
    await routed();
    expect(JSON.parse((await peer.next('entry')).body)).toMatchObject({
      type: 'update_config',
      generation: 1,
    });
  });
});

describe('hibernation', () => {
  it('the socket stays, and the session comes back from its attachment and SQLite', async () => {
    await routed();
    const peer = await Peer.connect(vps);
    await peer.next('entry');
    peer.send({ type: 'ack', log: 'control', applied: 1 });
    await expect.poll(async () => (await channelOf(vps).describe()).queues.control).toBe(0);
    await evictDurableObject(stubOf(vps), { webSockets: 'hibernate' });
    const answered = channelOf(vps).relay(get());
    const { id } = await peer.next('request');
    peer.send({ type: 'response', id, status: 200, headers: [], body: { kind: 'none' } });
    expect(value(await answered).status).toBe(200);
    expect(await channelOf(vps).describe()).toMatchObject({
      fence: 1,
      presence: { state: 'online' },
      queues: { control: 0 },
    });
  });

  it('a message to a hibernated object wakes it once, and is handled', async () => {
    await site();
    const { commandId } = value(await channelOf(vps).deploy(deployment()));
    const peer = await Peer.connect(vps);
    await peer.next('entry');
    const before = (await channelOf(vps).describe()).wakes;
    await evictDurableObject(stubOf(vps), { webSockets: 'hibernate' });
    peer.send({
      type: 'entry',
      log: 'control',
      seq: 1,
      at: 1,
      body: JSON.stringify({ type: 'command_result', commandId, at: 1, state: 'succeeded' }),
    });
    expect(await peer.next('ack')).toMatchObject({ applied: 1 });
    expect((await channelOf(vps).describe()).wakes).toBe(before + 1);
  });

  it('S8: a heartbeat is answered and wakes nothing', async () => {
    const peer = await Peer.connect(vps);
    const before = (await channelOf(vps).describe()).wakes;
    await evictDurableObject(stubOf(vps), { webSockets: 'hibernate' });
    await peer.beat();
    expect((await channelOf(vps).describe()).wakes).toBe(before);
  });

  it('an object that finds its sockets gone says away', async () => {
    await Peer.connect(vps);
    await evictDurableObject(stubOf(vps), { webSockets: 'close' });
    expect((await channelOf(vps).describe()).presence).toMatchObject({ state: 'away' });
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
