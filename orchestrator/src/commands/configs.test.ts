import { Failure } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { boot, config, ownProcesses, type Process } from './runner.fixture.ts';

ownProcesses();

describe('Runner: configs', () => {
  const some = (count: number) => Array.from({ length: count }, (_, n) => config(n + 1, `site-${n % 2}`));
  const generations = (process: Process): number[] =>
    process.applied.mock.calls.map(([{ generation }]) => generation);

  it('are applied in their order, begun and ended in one transaction, and a refusal is the answer of one alone', async () => {
    const process = await boot();
    process.applied.mockImplementation(({ generation, digest }) => {
      if (generation === 2) throw new Failure('config_refused', 'an upstream outside the list');
      return { generation, digest };
    });
    process.accept(...some(3));
    await process.settle();
    expect(generations(process)).toEqual([1, 2, 3]);
    expect(process.told()).toEqual([
      '1 running',
      '1 succeeded',
      '2 running',
      '2 failed',
      '3 running',
      '3 succeeded',
    ]);
    expect(process.rolledBack).not.toHaveBeenCalled();
  });

  it('that waited are applied some in a turn: requests have theirs between', async () => {
    const process = await boot();
    process.store.sql.transaction(() => {
      for (const [n, body] of some(1_000).entries()) {
        process.runner.accept(body, { logId: 'log-edge', seq: n + 1 });
      }
    });
    process.runner.wake();
    expect(generations(process)).toHaveLength(50);
    for (let turn = 0; turn < 20; turn++) await process.settle();
    expect(generations(process)).toEqual(some(1_000).map(({ generation }) => generation));
  });

  it('with a fault of ours undo nothing but themselves, and are told as internal', async () => {
    const process = await boot();
    process.applied.mockImplementation(({ generation, digest }) => {
      process.store.sql.run(`INSERT INTO meta VALUES (?, '')`, `config ${generation}`);
      if (generation === 2) throw new TypeError('x of undefined');
      return { generation, digest };
    });
    process.store.sql.transaction(() => {
      for (const body of some(3)) process.runner.accept(body, { logId: 'log-edge', seq: body.generation });
    });
    process.runner.wake();
    await process.settle();
    expect(process.told()).toEqual(['1 running', '1 succeeded', '2 failed', '3 running', '3 succeeded']);
    expect(process.store.sql.run(`SELECT key FROM meta WHERE key LIKE 'config %'`)).toEqual([
      { key: 'config 1' },
      { key: 'config 3' },
    ]);
    expect(process.rolledBack).toHaveBeenCalled();
  });

  it('of a turn are one transaction: when the disk is full in the middle, all wait until there is room', async () => {
    const process = await boot();
    process.store.sql.transaction(() => {
      for (const body of some(3)) process.runner.accept(body, { logId: 'log-edge', seq: body.generation });
    });
    const full = Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
    process.applied.mockImplementation(({ generation, digest }) => {
      if (generation === 3) throw full;
      return { generation, digest };
    });
    process.runner.wake();
    process.clock.pass(10_000);
    expect(process.told()).toEqual([]);
    expect(process.rolledBack).toHaveBeenCalled();
    process.applied.mockImplementation(({ generation, digest }) => ({ generation, digest }));
    process.clock.pass(2_000);
    expect(process.told().filter((line) => line.endsWith('succeeded'))).toHaveLength(3);
  });
});
