import { describe, expect, it } from 'vitest';
import type { Sample } from './rounds.ts';
import { memoryLine, outageLine, printable, summarise } from './summary.ts';

const sample = (round: number, path: Sample['path'], perSecond: number): Sample => ({
  round,
  row: 'batched',
  path,
  perSecond,
  cpuUs: { sender: 12, workerd: 8 },
});

describe('the summary of sync', () => {
  it('takes ratios within a round, so that a noisy round is in both halves of one', () => {
    const samples = [
      sample(0, 'bare', 100),
      sample(0, 'product', 50),
      sample(1, 'bare', 10),
      sample(1, 'product', 6),
      sample(2, 'bare', 200),
      sample(2, 'product', 80),
    ];
    const [batched] = summarise(samples);
    expect(batched).toMatchObject({
      product: { median: 50, min: 6, max: 80 },
      bare: { median: 100 },
      ratio: { median: 0.5, min: 0.4, max: 0.6 },
    });
  });

  it('prints every row, and says what was caught up and how much memory moved', () => {
    expect(printable(summarise([sample(0, 'bare', 2_000), sample(0, 'product', 1_000)]))).toMatch(
      /acknowledged, in batches +1,000 +1,000 +1,000 +2,000 +0\.50 +12\.0 +8\.0/,
    );
    expect(outageLine({ events: 10_000, edits: 1_000, ms: 2_940, outOfOrder: 0 })).toContain('2.9 s');
    const samples = [{ events: 500, sender: 200, edge: 300 }];
    expect(
      memoryLine({ perSecond: 9, drainedPerSecond: 7, samples, spreadMib: { sender: 3, edge: 4 } }),
    ).toContain('500 events');
  });
});
