import { cpuMsOf } from '../report/cpu.ts';
import type { Job } from './sender/contract.ts';
import type { Sender } from './sender.ts';
import type { System } from './system.ts';

/** What is measured: a way of sending, with D1 refusing everything or there. */
export const ROWS = {
  batched: { how: 'batched', d1: 'fail', about: 'acknowledged, in batches' },
  'one by one': { how: 'one by one', d1: 'fail', about: 'acknowledged, each before the next' },
  singly: { how: 'singly', d1: 'fail', about: 'acknowledged, each in its own transaction' },
  windowed: { how: 'windowed', d1: 'fail', about: 'acknowledged, each alone, 8 in flight' },
  'into D1': { how: 'batched', d1: 'ok', about: 'in D1, in batches' },
} as const satisfies Record<string, { how: Job['how']; d1: 'ok' | 'fail'; about: string }>;
export type RowName = keyof typeof ROWS;

export interface Plan {
  readonly rounds: number;
  /** Events of one measurement in batches; a twentieth of them go one by one. */
  readonly sample: number;
}

export interface Sample {
  readonly round: number;
  readonly row: RowName;
  readonly path: Job['path'];
  readonly perSecond: number;
  /** CPU time that an event costs, in microseconds: other work on this machine does not change it much. */
  readonly cpuUs: { readonly sender: number; readonly workerd: number };
}

/** Both paths by turns in every round, so that a noisy moment is in both halves of a ratio. */
export async function* measureRounds(system: System, sender: Sender, plan: Plan): AsyncGenerator<Sample> {
  for (const d1 of ['fail', 'ok'] as const) {
    await system.database.behave(d1);
    if (d1 === 'ok') await sender.do('product', 'projected');
    for (let round = 0; round < plan.rounds; round++) {
      for (const [name, row] of Object.entries(ROWS)) {
        if (row.d1 !== d1) continue;
        for (const path of ['bare', 'product'] as const) {
          yield await measure(system, sender, { round, row: name as RowName, path, sample: plan.sample });
        }
      }
    }
  }
}

type Measurement = Pick<Sample, 'round' | 'row' | 'path'> & { readonly sample: number };

async function measure(
  system: System,
  sender: Sender,
  { round, row, path, sample }: Measurement,
): Promise<Sample> {
  const { how, d1 } = ROWS[row];
  const events = how === 'batched' ? sample : Math.ceil(sample / 20);
  const workerd = path === 'bare' ? system.bare.pid() : system.edgePid();
  const before = { sender: cpuMsOf(sender.pid), workerd: cpuMsOf(workerd) };
  let ms = await sender.do(path, how, events);
  if (d1 === 'ok' && path === 'product') ms += await sender.do(path, 'projected');
  const cpuUs = {
    sender: ((cpuMsOf(sender.pid) - before.sender) * 1_000) / events,
    workerd: ((cpuMsOf(workerd) - before.workerd) * 1_000) / events,
  };
  return { round, row, path, perSecond: (events * 1_000) / ms, cpuUs };
}
