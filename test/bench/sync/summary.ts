import { median, ratios, type Spread, spread } from '../report/statistics.ts';
import { table } from '../report/table.ts';
import type { Memory } from './memory.ts';
import type { Outage } from './outage.ts';
import { ROWS, type RowName, type Sample } from './rounds.ts';

export interface Summary {
  readonly row: RowName;
  readonly product: Spread;
  readonly bare: Spread;
  /** Of the same rounds. */
  readonly ratio: Spread;
  readonly cpuUs: Sample['cpuUs'];
}

export function summarise(samples: readonly Sample[]): Summary[] {
  return (Object.keys(ROWS) as RowName[]).map((row) => {
    const of = (path: Sample['path']) =>
      samples.filter((sample) => sample.row === row && sample.path === path);
    const speeds = (path: Sample['path']) => of(path).map(({ perSecond }) => perSecond);
    const cpu = (part: 'sender' | 'workerd') => median(of('product').map(({ cpuUs }) => cpuUs[part]));
    return {
      row,
      product: spread(speeds('product')),
      bare: spread(speeds('bare')),
      ratio: spread(ratios(speeds('product'), speeds('bare'))),
      cpuUs: { sender: cpu('sender'), workerd: cpu('workerd') },
    };
  });
}

const whole = (value: number): string => Math.round(value).toLocaleString('en');

export const printable = (rows: readonly Summary[]): string =>
  table([
    ['events/s', 'product', 'least', 'most', 'bare loop', 'ratio', 'CPU µs: VPS', 'edge'],
    ...rows.map(({ row, product, bare, ratio, cpuUs }) => [
      ROWS[row].about,
      whole(product.median),
      whole(product.min),
      whole(product.max),
      whole(bare.median),
      ratio.median.toFixed(2),
      cpuUs.sender.toFixed(1),
      cpuUs.workerd.toFixed(1),
    ]),
  ]);

export const outageLine = ({ events, edits, ms, outOfOrder }: Outage): string =>
  `After an outage: ${whole(events)} events and ${whole(edits)} config edits caught up ${(ms / 1_000).toFixed(1)} s after the orchestrator's start, ${outOfOrder} out of order.`;

export const memoryLine = ({ perSecond, drainedPerSecond, samples, spreadMib }: Memory): string =>
  `${whole(samples.at(-1)?.events ?? 0)} events acknowledged at ${whole(perSecond)}/s: all the while the sender's memory moved within ${spreadMib.sender.toFixed(0)} MiB, the edge's within ${spreadMib.edge.toFixed(0)} MiB. Then from the object into D1 at ${whole(drainedPerSecond)}/s.`;
