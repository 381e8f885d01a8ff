import { ratios, type Spread, spread } from '../report/statistics.ts';
import { table } from '../report/table.ts';
import { type PathName, type Sample, WORKLOADS, type Workload } from './rounds.ts';

/** One path with one workload over all rounds. */
export interface Row {
  readonly workload: string;
  readonly connections: number;
  readonly path: PathName;
  readonly repliesPerS: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  readonly workerdUs: Spread;
  readonly nodeUs: Spread;
  /** Requests per second as a ratio to the other path's in the same round. */
  readonly timesDirect: Spread;
  /** Absent for what Cap'n Web, or the floor, does not do here. */
  readonly timesCapnweb?: Spread;
  readonly timesFloor?: Spread;
  /**
   * What workerd spends on a reply: direct's as a ratio to this path's, in the same round. It is what the rates would be to
   * each other if workerd, which has one thread, had a core of its own.
   */
  readonly timesDirectByCpu: Spread;
}

type Quantity = 'repliesPerS' | 'p50Ms' | 'p99Ms' | 'workerdUs' | 'nodeUs';

export function summarise(samples: readonly Sample[]): Row[] {
  return WORKLOADS.flatMap((workload) => workload.paths.map((path) => rowOf(samples, path, workload)));
}

function rowOf(samples: readonly Sample[], path: PathName, { name, connections, paths }: Workload): Row {
  const of = (wanted: PathName, what: Quantity): number[] =>
    samples
      .filter(
        (sample) => sample.path === wanted && sample.workload === name && sample.connections === connections,
      )
      .toSorted((a, b) => a.round - b.round)
      .map((sample) => sample[what]);
  const rates = of(path, 'repliesPerS');
  const times = (other: PathName) => spread(ratios(rates, of(other, 'repliesPerS')));
  const workerdUs = of(path, 'workerdUs');
  return {
    workload: name,
    connections,
    path,
    repliesPerS: spread(rates),
    p50Ms: spread(of(path, 'p50Ms')),
    p99Ms: spread(of(path, 'p99Ms')),
    workerdUs: spread(workerdUs),
    nodeUs: spread(of(path, 'nodeUs')),
    timesDirect: times('direct'),
    timesDirectByCpu: spread(ratios(of('direct', 'workerdUs'), workerdUs)),
    ...(paths.includes('capnweb') ? { timesCapnweb: times('capnweb') } : {}),
    ...(paths.includes('floor') ? { timesFloor: times('floor') } : {}),
  };
}

const TITLES = [
  'what',
  'concurrent',
  'path',
  'req/s',
  '(min–max)',
  'p50 ms',
  'p99 ms',
  '× direct',
  '(min–max)',
  '× capnweb',
  '(min–max)',
  '× floor',
  '(min–max)',
  'CPU µs: Node',
  'workerd',
  '× direct',
  '(min–max)',
];

/** The table that a person reads: medians, each with its range over the rounds. */
export function printable(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.workload,
    String(row.connections),
    row.path,
    ...withRange(row.repliesPerS, 0),
    row.p50Ms.median.toFixed(2),
    row.p99Ms.median.toFixed(2),
    ...withRange(row.timesDirect, 2),
    ...maybe(row.timesCapnweb),
    ...maybe(row.timesFloor),
    Number.isNaN(row.nodeUs.median) ? '' : row.nodeUs.median.toFixed(0),
    row.workerdUs.median.toFixed(0),
    ...withRange(row.timesDirectByCpu, 2),
  ]);
  return table([TITLES, ...lines]);
}

const maybe = (ratio: Spread | undefined) => (ratio === undefined ? ['', ''] : withRange(ratio, 2));

const withRange = ({ median, min, max }: Spread, digits: number): [string, string] => [
  median.toFixed(digits),
  `${min.toFixed(digits)}–${max.toFixed(digits)}`,
];
