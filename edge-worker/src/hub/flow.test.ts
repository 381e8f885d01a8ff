import { LIVE_PROBE_EVERY_BYTES, LIVE_PROBE_TIMEOUT_MS, LIVE_UNPROVEN_BYTES_MAX } from '@clawdbot/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Flow } from './flow.ts';

describe('what a dashboard is sent', () => {
  it('is probed after every 256 KiB', () => {
    const flow = Flow.fresh();
    expect(flow.sent(LIVE_PROBE_EVERY_BYTES - 1, 0)).toBeUndefined();
    expect(flow.sent(1, 0)).toBe(1);
    expect(flow.proven(1, 10)).toBeUndefined();
    expect(flow.sent(LIVE_PROBE_EVERY_BYTES, 20)).toBe(2);
  });

  it('is too much when a probe stays unanswered for 4 MiB more, or for 15 s', () => {
    const flow = Flow.fresh();
    flow.sent(LIVE_PROBE_EVERY_BYTES, 1_000);
    flow.sent(LIVE_UNPROVEN_BYTES_MAX, 1_000);
    expect(flow.tooSlow(1_000 + LIVE_PROBE_TIMEOUT_MS - 1)).toBeUndefined();
    expect(flow.tooSlow(1_000 + LIVE_PROBE_TIMEOUT_MS)).toMatch(/15 s/);
    flow.sent(1, 1_000);
    expect(flow.tooSlow(1_000)).toMatch(/4 MiB/);
  });

  it('may be the largest updates, ten a second, to one that answers 300 ms late', () => {
    const flow = Flow.fresh();
    const answers: { n: number; at: number }[] = [];
    for (let at = 0; at < 10_000; at += 100) {
      expect(flow.tooSlow(at)).toBeUndefined();
      const probes = [flow.sent(513 * 1_024, at)];
      while (answers[0] !== undefined && answers[0].at <= at)
        probes.push(flow.proven(answers.shift()?.n ?? 0, at));
      for (const n of probes) if (n !== undefined) answers.push({ n, at: at + 300 });
    }
  });

  it('is proven only by the probe that is open: a late or invented answer proves nothing', () => {
    const flow = Flow.fresh();
    flow.sent(LIVE_PROBE_EVERY_BYTES, 0);
    flow.proven(0, 1);
    flow.proven(2, 1);
    expect(flow.pending).toEqual({ n: 1, at: 0 });
  });

  it('is probed at once after a sleep, since nobody counted before it', () => {
    expect(Flow.afterSleep(4, undefined).sent(1, 0)).toBe(5);
    const flow = Flow.afterSleep(4, { n: 4, at: 0 });
    expect(flow.sent(1, 1)).toBeUndefined();
    expect(flow.tooSlow(LIVE_PROBE_TIMEOUT_MS)).toMatch(/15 s/);
  });

  it('is never more than 4.25 MiB and a message beyond what was read', () => {
    const message = fc.integer({ min: 1, max: 300_000 });
    fc.assert(
      fc.property(fc.array(fc.record({ message, reads: fc.boolean() }), { maxLength: 200 }), (steps) => {
        const flow = Flow.fresh();
        let unread = 0;
        let behind = 0;
        let largest = 0;
        for (const { message: bytes, reads } of steps) {
          if (flow.tooSlow(0) !== undefined) break;
          unread += bytes;
          behind += bytes;
          largest = Math.max(largest, bytes);
          if (flow.sent(bytes, 0) !== undefined) behind = 0;
          const open = flow.pending;
          if (!reads || open === undefined) continue;
          unread = behind;
          flow.proven(open.n, 0);
        }
        expect(unread).toBeLessThanOrEqual(LIVE_PROBE_EVERY_BYTES + LIVE_UNPROVEN_BYTES_MAX + 2 * largest);
      }),
    );
  });
});
