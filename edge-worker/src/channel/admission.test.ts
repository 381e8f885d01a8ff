import type { Hello } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { admit, type Incumbent } from './admission.ts';

const hello: Hello = {
  type: 'hello',
  protocol: [1],
  orchestratorId: 'vps-1',
  lane: 0,
  lanes: 1,
  generation: 7,
  instanceId: 'process-b',
  version: '0.1.0',
  capabilities: [],
  clockMs: 0,
  logs: { control: { logId: 'log-of-vps', oldest: 1, last: 10, applied: 0 } },
  sites: [],
};
const incumbent: Incumbent = {
  orchestratorId: 'vps-1',
  lane: 0,
  generation: 6,
  instanceId: 'process-a',
  followed: () => ({ peerLogId: 'log-of-vps', applied: 10 }),
  isRetired: (_log, logId) => logId === 'log-left',
};
const closeOf = (change: Partial<Hello>, known: Partial<Incumbent> = {}) => {
  const admission = admit({ ...hello, ...change }, { ...incumbent, ...known });
  return admission.admit ? 'admitted' : admission.close;
};

describe('admission', () => {
  it('S5: a higher generation takes over', () => {
    expect(closeOf({})).toBe('admitted');
  });
  it('S5: an equal generation is admitted for the same process only', () => {
    expect(closeOf({ generation: 6, instanceId: 'process-a' })).toBe('admitted');
    expect(closeOf({ generation: 6 })).toBe('superseded');
  });
  it('S5: a lower generation never comes back, not even the same process', () => {
    expect(closeOf({ generation: 5, instanceId: 'process-a' })).toBe('superseded');
  });
  it('S4: with no protocol version in common it is refused for good', () => {
    expect(closeOf({ protocol: [2, 3] })).toBe('unsupported');
  });
  it('S3: hello must name the orchestrator and lane of its token', () => {
    expect(closeOf({ orchestratorId: 'vps-2' })).toBe('malformed');
    expect(closeOf({ lane: 1 })).toBe('malformed');
  });
  it('S7: a log that ends before what was acknowledged is an old copy, whichever of the two it is', () => {
    const applied = (peerLogId: string) => ({ followed: () => ({ peerLogId, applied: 11 }) });
    expect(closeOf({}, applied('log-of-vps'))).toBe('staleLog');
    expect(closeOf({}, applied('another-log'))).toBe('admitted');
    const { control } = hello.logs;
    const queue = { ...control, last: 9 };
    expect(closeOf({ logs: { control, queue } })).toBe('staleLog');
  });
  it('S7: a log that its orchestrator has left for another never comes back', () => {
    const left = { ...hello.logs.control, logId: 'log-left', last: 99 };
    expect(closeOf({ logs: { control: left } })).toBe('staleLog');
  });
});
