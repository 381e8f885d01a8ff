import { describe, expect, it } from 'vitest';
import { Flow } from './flow.ts';

const MIB = 1024 * 1024;

function rig() {
  const probes: number[] = [];
  let count = 0;
  const flow = new Flow(
    (n) => probes.push(n),
    (length) => new Uint8Array(length).fill(++count),
  );
  return { flow, probes };
}

describe('flow', () => {
  it('asks once for a proof of reading, behind 1 MiB', () => {
    const { flow, probes } = rig();
    flow.sent(MIB);
    expect(probes).toHaveLength(0);
    flow.sent(1);
    flow.sent(MIB);
    expect(probes).toHaveLength(1);
  });

  it('is full above 32 MiB that nothing proves to be read, until the proof comes', () => {
    const { flow, probes } = rig();
    flow.sent(33 * MIB);
    expect(flow.isFull).toBe(true);
    flow.echoed(1);
    expect(flow.isFull, 'another probe proves nothing').toBe(true);
    flow.echoed(probes[0] ?? 0);
    expect(flow.isFull).toBe(false);
  });

  it('a proof covers what was sent before it was asked for, and no more', () => {
    const { flow, probes } = rig();
    flow.sent(5 * MIB);
    flow.sent(40 * MIB);
    flow.echoed(probes[0] ?? 0);
    expect(flow.isFull).toBe(true);
    expect(probes).toHaveLength(2);
    flow.echoed(probes[1] ?? 0);
    expect(flow.isFull).toBe(false);
  });

  it('C9: past 2 MiB without a proof, pieces of bodies are not told to be sent until it comes', () => {
    const { flow, probes } = rig();
    const wire = flow.counting({ sendText: () => {}, sendBytes: () => {}, close: () => {} });
    let sent = 0;
    const piece = () => wire.sendBytes(new Uint8Array(64 * 1024), () => sent++);
    for (let count = 0; count < 40; count++) piece();
    expect(sent).toBe(32);
    flow.echoed(probes[0] ?? 0);
    expect(sent).toBe(40);
  });
});
