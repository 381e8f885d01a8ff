import { describe, expect, it } from 'vitest';
import { logId, seq } from './ids.ts';

describe('what a dead letter’s id is made of', () => {
  it.each(['log_0-abc', 'f'.repeat(64), '3f2b8a10-9c4d-4e5f-8a6b-7c8d9e0f1a2b'])('takes the log %s', (id) => {
    expect(logId.safeParse(id).success).toBe(true);
  });

  it.each(['log of vps', 'log/of/vps', 'log%2Fvps', 'log-öäü-x', 'short', 'f'.repeat(65)])(
    'takes no log %s',
    (id) => {
      expect(logId.safeParse(id).success).toBe(false);
    },
  );

  it('takes a position of 15 digits, and no longer one', () => {
    expect(seq.safeParse(999_999_999_999_999).success).toBe(true);
    expect(seq.safeParse(1_000_000_000_000_000).success).toBe(false);
  });
});
