import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterClose, CLOSE, closeReason, sendableCode } from './close.ts';
import { CLOSE_REASON_BYTES_MAX } from './limits.ts';

describe('close codes', () => {
  it('S12: only what a redial cannot mend is fatal', () => {
    const fatal = Object.values(CLOSE).filter(({ after }) => after === 'fatal');
    expect(fatal.map(({ code }) => code)).toEqual([4403, 4406, 4409, 4411]);
  });

  it('an unknown code is retried', () => {
    expect(afterClose(4999)).toBe('retry');
    expect(afterClose(4409)).toBe('fatal');
  });

  it('a code that cannot be sent is sent as 1000', () => {
    expect([1005, 1006, 1001, 4400].map(sendableCode)).toEqual([1000, 1000, 1001, 4400]);
  });

  it('a reason fits 123 bytes and is cut at a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
        const reason = closeReason(text);
        expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(CLOSE_REASON_BYTES_MAX);
        expect(text.startsWith(reason)).toBe(true);
      }),
    );
  });
});
