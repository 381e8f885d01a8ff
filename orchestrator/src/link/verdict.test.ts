import { type ErrorCode, Failure, problemOf } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { verdictOfRefusal } from './verdict.ts';

const refusal = (code: ErrorCode, retryAfterMs?: number) => {
  const failure = new Failure(code, 'because', retryAfterMs === undefined ? {} : { retryAfterMs });
  return { status: failure.status, retryAfter: undefined, body: JSON.stringify(problemOf(failure)) };
};

describe('PROTOCOL D4: a refused upgrade', () => {
  it.each(['unauthorized', 'token_expired', 'token_replayed', 'rate_limited', 'overloaded'] as const)(
    '%s is dialled again',
    (code) => {
      expect(verdictOfRefusal(refusal(code))).toEqual({
        after: 'retry',
        reason: expect.stringContaining(code),
      });
    },
  );

  it.each(['key_revoked', 'lane_not_granted', 'upgrade_required'] as const)('%s is not', (code) => {
    expect(verdictOfRefusal(refusal(code))).toEqual({
      after: 'fatal',
      reason: expect.stringContaining('because'),
    });
  });

  it('is fatal by the edge’s own word only: a 403 of something before it is dialled again', () => {
    expect(verdictOfRefusal({ status: 403, retryAfter: undefined, body: '<h1>Access</h1>' }).after).toBe(
      'retry',
    );
    expect(verdictOfRefusal(refusal('forbidden')).after).toBe('retry');
  });

  it('is waited for as long as it says, by the problem or the header', () => {
    expect(verdictOfRefusal(refusal('rate_limited', 1_500))).toMatchObject({ floorMs: 1_500 });
    expect(verdictOfRefusal({ status: 503, retryAfter: '7', body: '' })).toMatchObject({ floorMs: 7_000 });
    expect(verdictOfRefusal({ status: 503, retryAfter: 'tomorrow', body: '' })).not.toHaveProperty('floorMs');
  });
});
