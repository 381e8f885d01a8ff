import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chunksOf, decodeChunk, encodeChunk } from './chunk.ts';
import { ProtocolError } from './codec.ts';
import { BODY_CHUNK_BYTES_MAX } from './limits.ts';

describe('binary messages', () => {
  it('F5: a body comes back whole from its pieces, the last one flagged', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 0xffff_ffff }),
        fc.nat(3 * BODY_CHUNK_BYTES_MAX),
        (id, length) => {
          const body = Uint8Array.from({ length }, (_, at) => at % 251);
          const pieces = [...chunksOf(id, body)].map((chunk) => decodeChunk(encodeChunk(chunk)));
          expect(pieces.map(({ last }) => last)).toEqual(pieces.map((_, at) => at === pieces.length - 1));
          expect(pieces.every((piece) => piece.id === id)).toBe(true);
          expect(Buffer.concat(pieces.map(({ bytes }) => bytes)).equals(body)).toBe(true);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('F5: any other bytes are refused with a close code', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          const chunk = decodeChunk(bytes);
          expect(Buffer.from(encodeChunk(chunk)).equals(bytes)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
    );
  });

  it('F5: a piece over 64 KiB is too large, both ways', () => {
    expect(() => encodeChunk({ id: 2, last: true, bytes: new Uint8Array(BODY_CHUNK_BYTES_MAX + 1) })).toThrow(
      RangeError,
    );
    expect(() => decodeChunk(new Uint8Array(BODY_CHUNK_BYTES_MAX + 9))).toThrow('too large');
  });
});
