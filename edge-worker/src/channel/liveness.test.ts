import { PROBE_AFTER_MS, PROBE_TIMEOUT_MS } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { Liveness } from './liveness.ts';

/** A clock that runs only when told, with at most one timer, as the class promises. */
function rig() {
  let now = 1_000_000;
  let timer: { at: number; task: () => void } | undefined;
  const seen: string[] = [];
  const passes: number[] = [];
  const state = { busy: true };
  const liveness = new Liveness({
    now: () => now,
    after: (ms, task) => {
      expect(timer, 'one timer at a time').toBeUndefined();
      timer = { at: now + ms, task };
      return () => {
        timer = undefined;
      };
    },
    busy: () => state.busy,
    probe: (n) => seen.push(`probe ${n}`),
    dead: () => seen.push('dead'),
    passed: () => passes.push(now),
  });
  const pass = (ms: number) => {
    const until = now + ms;
    while (timer !== undefined && timer.at <= until) {
      const { at, task } = timer;
      timer = undefined;
      now = at;
      task();
    }
    now = until;
  };
  return { liveness, pass, seen, passes, state, armed: () => timer !== undefined };
}

describe('liveness', () => {
  it('S9: probes after 2 s of silence with a call open, and gives up 2 s later', () => {
    const { liveness, pass, seen } = rig();
    liveness.expect();
    pass(PROBE_AFTER_MS - 1);
    expect(seen).toEqual([]);
    pass(1);
    expect(seen).toEqual(['probe 1']);
    pass(PROBE_TIMEOUT_MS);
    expect(seen).toEqual(['probe 1', 'dead']);
  });

  it('S9: any frame is an answer', () => {
    const { liveness, pass, seen } = rig();
    liveness.expect();
    pass(PROBE_AFTER_MS);
    liveness.heard();
    pass(PROBE_TIMEOUT_MS - 1);
    expect(seen).toEqual(['probe 1']);
  });

  it('S8: without open calls no timer runs', () => {
    const { liveness, pass, seen, state, armed } = rig();
    liveness.expect();
    state.busy = false;
    pass(PROBE_AFTER_MS);
    expect(armed()).toBe(false);
    expect(seen).toEqual([]);
  });

  it('counts silence from the call, not from an idle time before it', () => {
    const { liveness, pass, seen } = rig();
    pass(60_000);
    liveness.expect();
    pass(PROBE_AFTER_MS - 1);
    expect(seen).toEqual([]);
  });

  it('stops for good', () => {
    const { liveness, pass, seen } = rig();
    liveness.expect();
    liveness.stop();
    pass(60_000);
    expect(seen).toEqual([]);
  });

  it('tells, while calls are open, that time passes: within two seconds, each time', () => {
    const { liveness, pass, passes, state } = rig();
    liveness.expect();
    for (let answered = 0; answered < 10; answered++) {
      pass(700);
      liveness.heard();
    }
    const gaps = passes.map((at, n) => at - (passes[n - 1] ?? 1_000_000));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(PROBE_AFTER_MS);
    expect(passes.length).toBeGreaterThanOrEqual(3);
    state.busy = false;
    pass(10_000);
    expect(passes.at(-1)).toBeLessThan(1_000_000 + 7_000 + PROBE_AFTER_MS);
  });
});
