import { BODY_CHUNK_BYTES_MAX, encodeChunk, TEXT_MESSAGE_BYTES_MAX } from '@clawdbot/protocol';
import { beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../eventually.ts';
import { otherOrchestrator } from './harness/other.ts';
import type { Impostor, RawChannel } from './harness/raw-channel.ts';
import { type Asking, withSystem } from './harness/system.ts';

const system = withSystem();
let other: Impostor;

beforeAll(() => {
  other = otherOrchestrator(system());
});

const asOther = (): Asking & { siteId: string } => {
  const { siteId, adminToken: token } = system().file.other;
  return { siteId, token };
};

/** Asks for the other site's status: a call that ends at whoever plays its orchestrator. */
const getStatus = () => system().act('get_status', {}, asOther());

const otherNow = () => system().orchestrator(other.id, system().file.other.adminToken);

/** The session still answers a call. */
async function stillServes(channel: RawChannel): Promise<void> {
  const asked = getStatus();
  const { id } = await channel.next('get_status');
  const error = { code: 'internal', message: 'played', retryable: true };
  channel.send([{ type: 'error', id, error }]);
  expect((await asked).json).toMatchObject({ success: false, error: expect.stringContaining('played') });
}

const SESSION = { type: 'status', at: 1 };

describe('what cannot be read ends the socket, with a reason that names it', () => {
  test.each([
    ['F1: what is not JSON', 'nonsense', 'not JSON'],
    ['F1: a frame outside an array', '{"type":"probe","n":1}', 'array'],
    ['F1: an empty array', '[]', 'array'],
    ['F1: a frame without a type', '[{"n":1}]', 'type'],
    [
      'F2: a frame that does not match its schema',
      '[{"type":"ack","log":"control","applied":-1}]',
      'applied',
    ],
    ['F2: a frame with a member missing', JSON.stringify([SESSION]), 'status'],
  ])('%s', async (_, text, reason) => {
    const channel = await other.connect();
    channel.send(text);
    expect(await channel.closed()).toEqual({ code: 4400, reason: expect.stringContaining(reason) });
  });

  test('F4: a text message over 1 MiB', async () => {
    const channel = await other.connect();
    channel.send(`["${'x'.repeat(TEXT_MESSAGE_BYTES_MAX)}"]`);
    expect(await channel.closed()).toMatchObject({ code: 4413 });
  });

  test('F5: a binary message over its limit, or without its header', async () => {
    const large = await other.connect();
    large.sendBytes(new Uint8Array(BODY_CHUNK_BYTES_MAX + 1024));
    expect(await large.closed()).toMatchObject({ code: 4413 });
    const headless = await other.connect();
    headless.sendBytes(new Uint8Array(3));
    expect(await headless.closed()).toMatchObject({ code: 4400 });
  });

  test('S1: a frame before hello, and a second hello', async () => {
    const early = await other.dial();
    early.send([{ type: 'probe', n: 1 }]);
    expect(await early.closed()).toEqual({ code: 4400, reason: expect.stringContaining('before hello') });
    const twice = await other.connect();
    twice.send([other.hello()]);
    expect(await twice.closed()).toMatchObject({ code: 4400 });
  });

  test('S1: a socket that says no hello, heartbeats or not', async () => {
    const channel = await other.dial();
    // Also needed to see the end: workerd closes the TCP connection of a socket that was ended before it ever
    // sent anything only when its other side does (seen with 1.20261102: the close frame arrives, no FIN).
    channel.send('ping');
    expect(await channel.closed()).toMatchObject({ code: 4408 });
  });

  test('S3: a hello that names another orchestrator', async () => {
    const channel = await other.dial();
    channel.send([other.hello({ orchestratorId: system().file.orchestratorId })]);
    expect(await channel.closed()).toMatchObject({ code: 4400 });
  });

  test('S4: no protocol version in common', async () => {
    const channel = await other.dial();
    channel.send([other.hello({ generation: 1_000, protocol: [99] })]);
    expect(await channel.closed()).toMatchObject({ code: 4406 });
  });

  test('L4: entries with a gap', async () => {
    const channel = await other.connect();
    channel.send([{ type: 'entry', log: 'control', seq: 7, at: 1, body: '{}' }]);
    expect(await channel.closed()).toMatchObject({ code: 4400 });
  });
});

test('F3: a frame of an unknown type is ignored and counted, and those beside it are handled', async () => {
  const channel = await other.connect();
  const { unknownFrames } = await otherNow();
  channel.send([{ type: 'from_the_future', n: 1 }, { type: 'probe', n: 5 }, { type: 'another' }]);
  await eventually('both are counted', otherNow, (now) => now.unknownFrames === unknownFrames + 2);
  await stillServes(channel);
});

test('C3: answers, bytes and cancels for an id that is not open are ignored', async () => {
  const channel = await other.connect();
  const none = { kind: 'none' };
  channel.send([
    { type: 'response', id: 424_242, status: 200, headers: [], body: none },
    { type: 'error', id: 424_242, error: { code: 'internal', message: 'x', retryable: true } },
    { type: 'cancel', id: 424_242, reason: 'x' },
    { type: 'end', id: 424_242 },
  ]);
  channel.sendBytes(encodeChunk({ id: 424_242, last: true, bytes: new Uint8Array(10) }));
  await stillServes(channel);
});

test('an answer of the wrong kind fails its call and harms no other', async () => {
  const channel = await other.connect();
  const asked = getStatus();
  const { id } = await channel.next('get_status');
  channel.send([{ type: 'response', id, status: 200, headers: [], body: { kind: 'none' } }]);
  channel.send([{ type: 'error', id, error: { code: 'internal', message: 'second', retryable: true } }]);
  expect((await asked).status).toBeGreaterThanOrEqual(500);
  await stillServes(channel);
});

test('C4: past its deadline a call is answered 504 and cancelled; the late reply is ignored', {
  timeout: 45_000,
}, async () => {
  const channel = await other.connect();
  const asked = getStatus();
  const { id, deadlineMs } = await channel.next('get_status');
  expect(deadlineMs).toBeLessThanOrEqual(30_000);
  const answer = await asked;
  expect([answer.status, answer.json.success]).toEqual([504, false]);
  expect((await channel.next('cancel')).id).toBe(id);
  channel.send([{ type: 'error', id, error: { code: 'internal', message: 'late', retryable: true } }]);
  await stillServes(channel);
});

test('C2: a call whose socket is lost fails at once, and says that it may have been done', async () => {
  const channel = await other.connect();
  const asked = getStatus();
  await channel.next('get_status');
  channel.drop();
  const answer = await asked;
  expect([answer.status, answer.json.success]).toEqual([502, false]);
});

test('S9: a socket that is open and silent is found within 4 s of a call', async () => {
  const channel = await other.connect();
  channel.silent = true;
  const began = performance.now();
  const answer = await getStatus();
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(answer.status).toBe(502);
  expect(await channel.closed()).toMatchObject({ code: 4504 });
  expect((await otherNow()).presence.state).toBe('away');
});
