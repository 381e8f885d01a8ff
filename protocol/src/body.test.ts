import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyBuffer, bytesOfHead, headOfBody } from './body.ts';
import { INLINE_BODY_BYTES_MAX } from './limits.ts';

describe('bodies', () => {
  it('C6: any small body comes back from its head, byte for byte', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          const head = headOfBody(bytes);
          if (head.kind === 'stream') throw new Error('a small body must ride in the head');
          expect(Buffer.from(bytesOfHead(head) ?? []).equals(bytes)).toBe(true);
        },
      ),
    );
  });

  it('C6: UTF-8 rides as text, other bytes as base64, a BOM is kept', () => {
    expect(headOfBody(Buffer.from('käse'))).toEqual({ kind: 'text', data: 'käse' });
    expect(headOfBody(Uint8Array.of(0xff, 0xfe))).toEqual({ kind: 'base64', data: '//4=' });
    expect(headOfBody(Uint8Array.of(0xef, 0xbb, 0xbf))).toEqual({ kind: 'text', data: '\ufeff' });
  });

  it('C6: a body over 16 KiB streams, an empty one is none', () => {
    expect(headOfBody(new Uint8Array(INLINE_BODY_BYTES_MAX + 1)).kind).toBe('stream');
    expect(headOfBody(new Uint8Array(INLINE_BODY_BYTES_MAX)).kind).toBe('text');
    expect(headOfBody(new Uint8Array(0)).kind).toBe('none');
    expect(headOfBody(null).kind).toBe('none');
  });

  it('a buffer keeps up to its limit and says when it is passed', () => {
    const buffer = new BodyBuffer(4);
    const chunk = Uint8Array.of(1, 2, 3);
    expect(buffer.add(chunk)).toBe(true);
    chunk.fill(9);
    expect([...buffer.bytes()]).toEqual([1, 2, 3]);
    expect(buffer.add(chunk)).toBe(false);
  });
});
