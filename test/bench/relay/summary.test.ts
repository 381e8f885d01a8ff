import { expect, test } from 'vitest';
import { PATHS, type Sample, turned, WORKLOADS } from './rounds.ts';
import { printable, summarise } from './summary.ts';

/** Per round, what each path did per second: product, direct, capnweb, floor. */
function samplesOf(rates: [product: number, direct: number, capnweb: number, floor: number][]): Sample[] {
  return rates.flatMap((perPath, round) =>
    WORKLOADS.flatMap(({ name: workload, connections, paths }) =>
      paths.map((path) => {
        const repliesPerS = perPath[PATHS.indexOf(path)] ?? 0;
        return {
          round,
          path,
          workload,
          connections,
          replies: repliesPerS,
          repliesPerS,
          p50Ms: 1,
          p99Ms: 2,
          served: 9,
          errors: 0,
          workerdUs: path === 'direct' ? 150 : 300,
          nodeUs: 90,
        };
      }),
    ),
  );
}

test('ratios are taken within a round, then the median of them', () => {
  // One slow round for all, one in which only the product was slow.
  const rows = summarise(
    samplesOf([
      [80, 100, 40, 50],
      [8, 10, 4, 5],
      [20, 100, 40, 50],
    ]),
  );
  const product = rows.find(({ path, connections }) => path === 'product' && connections === 32);
  expect(product?.repliesPerS).toEqual({ median: 20, min: 8, max: 80 });
  expect(product?.timesDirect).toEqual({ median: 0.8, min: 0.2, max: 0.8 });
  expect(product?.timesCapnweb).toEqual({ median: 2, min: 0.5, max: 2 });
  expect(product?.timesDirectByCpu.median).toBe(0.5);
  expect(product?.timesFloor).toEqual({ median: 1.6, min: 0.4, max: 1.6 });
});

test('the table has a line for every path with every workload', () => {
  const lines = printable(summarise(samplesOf([[80, 100, 40, 50]]))).split('\n');
  expect(lines).toHaveLength(1 + WORKLOADS.flatMap(({ paths }) => paths).length);
  expect(lines[1]).toMatch(
    /^ *GET +1 +product +80 +80–80 +1\.00 +2\.00 +0\.80 +0\.80–0\.80 +2\.00 +2\.00–2\.00 +1\.60 +1\.60–1\.60 +90 +300 +0\.50 +0\.50–0\.50$/,
  );
});

test('each round begins with another path', () => {
  expect([0, 1, 2, 3].map((round) => turned(['a', 'b', 'c'], round).join(''))).toEqual([
    'abc',
    'bca',
    'cab',
    'abc',
  ]);
});
