import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { type Chunk, decodeChunk, encodeParts } from '../chunk.ts';
import {
  BODY_CHUNK_BYTES_MAX,
  SOCKET_BODY_BYTES_MAX,
  SOCKET_WAITING_BYTES_MAX,
  STREAM_OPENING_BYTES,
} from '../limits.ts';
import { OutgoingBodies } from './outgoing.ts';

const KIB = 1024;

/** Bodies on a socket that passes pieces on when the test says so. */
function rig() {
  const sent: Chunk[] = [];
  const ended: number[] = [];
  const onSocket: (() => void)[] = [];
  const bodies = new OutgoingBodies({
    send: (chunk, done) => {
      sent.push(decodeChunk(encodeParts(chunk)));
      onSocket.push(done);
    },
    end: (id) => void ended.push(id),
  });
  const source = { resume: vi.fn(), done: vi.fn(), overflow: vi.fn() };
  const passOn = () => {
    for (const done of onSocket.splice(0)) done();
  };
  return { bodies, sent, ended, source, passOn };
}

const bytesOf = (sent: readonly Chunk[], id: number): number =>
  sent.filter((chunk) => chunk.id === id).reduce((sum, { bytes }) => sum + bytes.length, 0);

describe('PROTOCOL: bodies on their way out', () => {
  it('C8: a body sends its opening credit, and then what is granted', () => {
    const { bodies, sent, source, passOn } = rig();
    const body = bodies.open(2, source);
    expect(body.write(new Uint8Array(100 * KIB))).toBe(false);
    expect(bytesOf(sent, 2)).toBe(STREAM_OPENING_BYTES);
    passOn();
    bodies.grant(2, 10 * KIB);
    expect(bytesOf(sent, 2)).toBe(74 * KIB);
  });

  it('C9: behind a piece that is on the socket, pieces gather to a full one, or to the last', () => {
    const { bodies, sent, source, passOn } = rig();
    const body = bodies.open(2, source);
    bodies.grant(2, 2 * BODY_CHUNK_BYTES_MAX);
    body.write(numbered(0, 10));
    body.write(numbered(10, 20));
    body.write(numbered(30, 30));
    expect(sent.map((chunk) => chunk.bytes.length)).toEqual([10]);
    passOn();
    expect(sent.map((chunk) => chunk.bytes.length)).toEqual([10, 50]);
    expect(sent[1]?.bytes).toEqual(numbered(10, 50));
    body.write(new Uint8Array(BODY_CHUNK_BYTES_MAX - 1));
    expect(sent).toHaveLength(2);
    body.write(new Uint8Array(2));
    expect(sent.at(-1)?.bytes.length).toBe(BODY_CHUNK_BYTES_MAX);
    body.end();
    expect(sent.at(-1)).toMatchObject({ last: true, bytes: { length: 1 } });
  });

  it('C9: bodies take turns, a piece each', () => {
    const { bodies, sent, source, passOn } = rig();
    const blocker = bodies.open(2, source);
    bodies.grant(2, SOCKET_BODY_BYTES_MAX);
    blocker.write(new Uint8Array(SOCKET_BODY_BYTES_MAX));
    for (const id of [4, 6]) {
      const body = bodies.open(id, source);
      bodies.grant(id, 2 * BODY_CHUNK_BYTES_MAX);
      body.write(new Uint8Array(2 * BODY_CHUNK_BYTES_MAX));
    }
    sent.length = 0;
    passOn();
    expect(sent.map(({ id }) => id)).toEqual([4, 6]);
    passOn();
    expect(sent.map(({ id }) => id)).toEqual([4, 6, 4, 6]);
  });

  it('C9: the socket holds no more than its share of bytes at a time', () => {
    const { bodies, sent, source, passOn } = rig();
    const body = bodies.open(2, source);
    bodies.grant(2, 4 * SOCKET_BODY_BYTES_MAX);
    body.write(new Uint8Array(2 * SOCKET_BODY_BYTES_MAX));
    expect(bytesOf(sent, 2)).toBe(SOCKET_BODY_BYTES_MAX);
    passOn();
    expect(bytesOf(sent, 2)).toBe(2 * SOCKET_BODY_BYTES_MAX);
  });

  it('a source is told to wait, and to go on', () => {
    const { bodies, sent, source, passOn } = rig();
    const body = bodies.open(2, source);
    body.write(new Uint8Array(STREAM_OPENING_BYTES));
    expect(body.write(new Uint8Array(64 * KIB))).toBe(false);
    expect(source.resume).not.toHaveBeenCalled();
    bodies.grant(2, 64 * KIB);
    expect(source.resume).not.toHaveBeenCalled();
    passOn();
    expect([bytesOf(sent, 2), source.resume.mock.calls.length]).toEqual([128 * KIB, 0]);
    bodies.grant(2, 1);
    expect(source.resume).toHaveBeenCalledTimes(1);
  });

  it('C10: when too much waits, the stream with most of it ends, and no other', () => {
    const { bodies, source } = rig();
    const offender = { resume: vi.fn(), done: vi.fn(), overflow: vi.fn() };
    bodies.open(2, source).write(new Uint8Array(100 * KIB));
    const body = bodies.open(4, offender);
    for (let at = 0; at <= SOCKET_WAITING_BYTES_MAX; at += 64 * KIB) body.write(new Uint8Array(64 * KIB));
    expect(offender.overflow).toHaveBeenCalledTimes(1);
    expect(source.overflow).not.toHaveBeenCalled();
    expect(bodies.waiting).toBe(100 * KIB - STREAM_OPENING_BYTES);
  });

  it('C10: streams that wait when they are told never end for it, however many they are', () => {
    const { bodies, source } = rig();
    for (let id = 2; id < 800; id += 2) {
      const body = bodies.open(id, source);
      while (body.write(new Uint8Array(40 * KIB)));
    }
    expect(bodies.waiting).toBeGreaterThan(SOCKET_WAITING_BYTES_MAX);
    expect(source.overflow).not.toHaveBeenCalled();
  });
});

type Step =
  | { readonly do: 'write'; readonly id: number; readonly bytes: number }
  | { readonly do: 'grant'; readonly id: number; readonly bytes: number }
  | { readonly do: 'end'; readonly id: number }
  | { readonly do: 'passOn' };

const ids = [2, 4, 6];
const id = fc.constantFrom(...ids);
const bytes = fc.integer({ min: 1, max: 150 * KIB });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('write' as const), id, bytes }),
  fc.record({ do: fc.constant('grant' as const), id, bytes }),
  fc.record({ do: fc.constant('end' as const), id }),
  fc.record({ do: fc.constant('passOn' as const) }),
);

/** Numbers the bytes of each body, so that a piece which is lost, twice or out of place shows. */
const numbered = (from: number, length: number) => Uint8Array.from({ length }, (_, at) => (from + at) % 251);

it('C8, C9: whatever happens, each body goes out whole and in order, within its credit', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { bodies, sent, ended, source, passOn } = rig();
      const open = new Map(ids.map((each) => [each, bodies.open(each, source)]));
      const written = new Map(ids.map((each) => [each, 0]));
      const credit = new Map(ids.map((each) => [each, STREAM_OPENING_BYTES]));
      const over = new Set<number>();
      const ofId = <T>(map: Map<number, T>, each: number): T => map.get(each) as T;
      for (const each of steps) {
        if (each.do === 'passOn') passOn();
        else if (each.do === 'grant') {
          credit.set(each.id, ofId(credit, each.id) + each.bytes);
          bodies.grant(each.id, each.bytes);
        } else if (over.has(each.id)) continue;
        else if (each.do === 'end') {
          over.add(each.id);
          ofId(open, each.id).end();
        } else {
          const at = ofId(written, each.id);
          written.set(each.id, at + each.bytes);
          ofId(open, each.id).write(numbered(at, each.bytes));
        }
        for (const one of ids) expect(bytesOf(sent, one)).toBeLessThanOrEqual(ofId(credit, one));
      }
      for (const one of ids) {
        bodies.grant(one, 10 * 1024 * KIB);
        if (!over.has(one)) ofId(open, one).end();
      }
      for (let turn = 0; turn < 40; turn++) passOn();
      for (const one of ids) {
        const own = sent.filter((chunk) => chunk.id === one);
        const whole = Buffer.concat(own.map((chunk) => chunk.bytes));
        expect(whole.equals(numbered(0, ofId(written, one)))).toBe(true);
        expect(own.filter(({ last }) => last).length + ended.filter((each) => each === one).length).toBe(1);
        expect(own.slice(0, -1).every(({ last }) => !last)).toBe(true);
      }
      expect(bodies.waiting).toBe(0);
    }),
    { numRuns: 60 },
  );
});
