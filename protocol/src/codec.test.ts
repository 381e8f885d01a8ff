import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { edgeCodec, orchestratorCodec, ProtocolError } from './codec.ts';
import type { FrameToEdge, FrameToOrchestrator } from './frames/index.ts';

const id = fc.integer({ min: 1, max: 0xffff_ffff });
const headers = fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.string()), { maxLength: 5 });
const body = fc.oneof(
  fc.constant({ kind: 'none' as const }),
  fc.constant({ kind: 'stream' as const }),
  fc.record({ kind: fc.constant('text' as const), data: fc.string({ unit: 'binary', maxLength: 50 }) }),
);
const toOrchestrator: fc.Arbitrary<FrameToOrchestrator> = fc.oneof(
  fc.record({ type: fc.constant('probe' as const), n: fc.nat() }),
  fc.record({ type: fc.constant('cancel' as const), id, reason: fc.string({ maxLength: 500 }) }),
  fc.record({
    type: fc.constant('request' as const),
    id,
    target: fc.constant('upstream' as const),
    siteId: fc.constant('shop'),
    method: fc.constantFrom('GET', 'POST', 'PURGE'),
    url: fc.string().map((rest) => `/${rest}`),
    headers,
    body,
    requestId: fc.uuid(),
    deadlineMs: fc.integer({ min: 1, max: 120_000 }),
  }),
);
const toEdge: fc.Arbitrary<FrameToEdge> = fc.oneof(
  fc.record({ type: fc.constant('ack' as const), log: fc.constant('control' as const), applied: fc.nat() }),
  fc.record({
    type: fc.constant('entry' as const),
    log: fc.constant('control' as const),
    seq: fc.integer({ min: 1 }),
    at: fc.nat(),
    body: fc.string({ unit: 'binary' }),
  }),
  fc.record({
    type: fc.constant('response' as const),
    id,
    status: fc.integer({ min: 200, max: 599 }),
    headers,
    body,
  }),
);
const message = (encoded: readonly string[]): string => `[${encoded.join(',')}]`;

describe('the codec', () => {
  it('F1: gives back every frame that it was given, in order', () => {
    fc.assert(
      fc.property(
        fc.array(toOrchestrator, { minLength: 1 }),
        fc.array(toEdge, { minLength: 1 }),
        (down, up) => {
          expect(orchestratorCodec.decode(message(down.map(edgeCodec.encode)))).toEqual({
            frames: down,
            unknown: 0,
          });
          expect(edgeCodec.decode(message(up.map(orchestratorCodec.encode)))).toEqual({
            frames: up,
            unknown: 0,
          });
        },
      ),
    );
  });

  it('F2: any text is decoded or refused with a close code, never anything else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.array(fc.json()).map(message)), (text) => {
        try {
          edgeCodec.decode(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
    );
  });

  it('F2: a sender is held to the schema too', () => {
    expect(() => edgeCodec.encode({ type: 'probe', n: -1 })).toThrow();
  });

  it('F3: unknown types are counted, unknown members dropped', () => {
    const text = '[{"type":"new"},{"type":"probe","n":1,"extra":true},{"type":"__proto__"}]';
    expect(edgeCodec.decode(text)).toEqual({ frames: [{ type: 'probe', n: 1 }], unknown: 2 });
  });

  it('a frame for the other side is unknown to this one', () => {
    expect(edgeCodec.decode('[{"type":"welcome"}]')).toEqual({ frames: [], unknown: 1 });
  });

  it('L6: an entry that cannot be read is explained, not thrown', () => {
    for (const text of ['', 'null', '{}', '{"type":"from_the_future"}', '{"type":"command_result"}']) {
      expect(edgeCodec.decodeEntry(text)).toEqual({ error: expect.any(String) });
    }
  });

  it('an entry comes back as it was written', () => {
    const written = {
      type: 'command_progress',
      commandId: 'cmd_vps-1_0123456789abcdef',
      at: 5,
      milestone: 'm',
    } as const;
    expect(edgeCodec.decodeEntry(orchestratorCodec.encodeEntry(written))).toEqual({ body: written });
  });
});
