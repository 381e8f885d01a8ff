import { LOG_ENTRIES_MAX } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { boot, deploy, idOf, ownProcesses, type Process } from './runner.fixture.ts';

ownProcesses();

describe('Runner: a database that was restored', () => {
  it('starts nothing before the edge has said which commands have ended, and those never', async () => {
    const process = await boot();
    process.awaitsResync = true;
    process.accept(deploy(1, 'a'), deploy(2, 'b'));
    const local = process.runner.submitLocal({ ...deploy(3, 'c') }, new Map());
    await process.settle();
    expect(process.begun).toEqual([]);
    expect(process.store.sql.transaction(() => process.runner.finish([idOf(1), idOf(9)]))).toBe(1);
    process.awaitsResync = false;
    process.runner.wake();
    await process.settle();
    expect(process.begun).toHaveLength(2);
    expect(process.told()).toEqual(['2 running']);
    process.runner.halt(new Error('over'));
    await expect(local).rejects.toMatchObject({ code: 'orchestrator_away' });
  });

  it('stops a command that runs and that the edge knows as ended, and tells nothing of it', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'));
    await process.settle();
    process.store.sql.transaction(() => process.runner.finish([idOf(1)]));
    await process.settle();
    expect(process.held.get(idOf(1))?.context.signal.aborted).toBe(true);
    expect(process.told()).toEqual(['1 running']);
    process.accept(deploy(2, 'a'));
    await process.settle();
    expect(process.begun).toEqual([idOf(1), idOf(2)]);
  });

  it('has a command that an earlier database had looked at before anything is done', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a', { again: true }), deploy(2, 'b'));
    await process.settle();
    expect([1, 2].map((n) => process.held.get(idOf(n))?.context.resumed)).toEqual([true, false]);
  });
});

describe('Runner: a full disk', () => {
  const pages = (process: Process, max: number): void => {
    process.store.sql.run(`PRAGMA max_page_count = ${max}`);
  };

  it('starts nothing and fails nothing, and goes on by itself when there is room', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'));
    await process.settle();
    // What a disk that has become read-only says; one that is full is tried in the store's own tests.
    process.store.sql.run('PRAGMA query_only = ON');
    await process.end(1, (held) => held.succeed());
    process.clock.pass(10_000);
    await process.settle();
    expect(process.told()).toEqual(['1 running']);
    process.store.sql.run('PRAGMA query_only = OFF');
    process.accept(deploy(2, 'a'));
    process.clock.pass(2_000);
    await process.settle();
    expect(process.told()).toEqual(['1 running', '2 waiting', '1 succeeded', '2 running']);
  });

  it('takes a command whose handler could not write up again, as one that may have been begun', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'));
    await process.settle();
    pages(process, 1);
    await process.end(1, ({ context, fail }) => {
      try {
        for (let n = 0; n < 100; n++) context.progress('uploaded', 'x'.repeat(2_000));
      } catch (error) {
        fail(error);
      }
    });
    pages(process, 1_000_000);
    process.clock.pass(2_000);
    await process.settle();
    expect(process.held.get(idOf(1))?.context.resumed).toBe(true);
    expect(process.told().at(-1)).toBe('1 resumed');
  });
});

describe('Runner: restarts', () => {
  it('takes up what ran when the process died, before what came later of its key, and says so', async () => {
    const first = await boot();
    first.accept(deploy(1, 'a'), deploy(2, 'a'));
    await first.settle();
    const second = await boot();
    expect(second.begun).toEqual([idOf(1)]);
    expect(second.held.get(idOf(1))?.context.resumed).toBe(true);
    await second.end(1, (held) => held.succeed());
    expect(second.held.get(idOf(2))?.context.resumed).toBe(false);
    expect(second.told()).toEqual(['1 running', '2 waiting', '1 resumed', '1 succeeded', '2 running']);
  });

  it('lets a command that was cancelled while no process ran find out how far it got', async () => {
    const first = await boot();
    first.accept(deploy(1, 'a'));
    await first.settle();
    first.store.sql.transaction(() => first.runner.cancel(idOf(1), 'gone'));
    const second = await boot();
    expect(second.begun).toEqual([idOf(1)]);
    expect(second.told()).toEqual(['1 running', '1 resumed', '1 cancelled']);
  });

  it('gives up a command that brings the process down again and again', async () => {
    const first = await boot();
    first.accept(deploy(1, 'a'));
    await first.settle();
    first.store.sql.run('UPDATE commands SET attempts = 20');
    const second = await boot();
    expect(second.begun, 'it may undo what it has done').toEqual([idOf(1)]);
    expect(second.told()).toEqual(['1 running', '1 resumed', '1 failed']);
  });

  it('gives up a command whose undoing brings it down, too', async () => {
    const first = await boot();
    first.accept(deploy(1, 'a'));
    await first.settle();
    first.store.sql.run('UPDATE commands SET attempts = 25');
    const second = await boot();
    expect(second.begun).toEqual([]);
    expect(second.told()).toEqual(['1 running', '1 failed']);
  });

  it('counts runs anew from each milestone: a long rollout survives many restarts', async () => {
    const first = await boot();
    first.accept(deploy(1, 'a'));
    await first.settle();
    first.store.sql.run('UPDATE commands SET attempts = 19');
    first.held.get(idOf(1))?.context.progress('shifted');
    const second = await boot();
    expect(second.held.get(idOf(1))?.context.signal.aborted).toBe(false);
  });

  it('ends what it cannot read, and goes on with what is behind it', async () => {
    const first = await boot();
    first.store.sql.transaction(() => {
      first.runner.accept(deploy(1, 'a'), { logId: 'log-edge', seq: 1 });
      first.runner.accept(deploy(2, 'a'), { logId: 'log-edge', seq: 2 });
    });
    first.store.sql.run(`UPDATE commands SET body = '{}' WHERE id = ?`, idOf(1));
    const second = await boot();
    expect(second.told()).toEqual(['1 failed', '2 running']);
  });

  it('stops in order: what ends within the grace is committed, the rest is left for the next process', async () => {
    const first = await boot();
    first.accept(deploy(1, 'a'), deploy(2, 'b'), deploy(3, 'a'));
    await first.settle();
    const stopped = first.runner.stop(5_000);
    await first.end(1, (held) => held.succeed());
    first.clock.pass(5_000);
    await first.settle();
    await stopped;
    expect(first.told()).toEqual(['1 running', '2 running', '3 waiting', '1 succeeded']);
    expect(first.clock.timers).toBe(0);
    const second = await boot();
    expect(second.begun.sort()).toEqual([idOf(2), idOf(3)]);
  });
});

describe('Runner: a store that refuses while the process stops', () => {
  it('leaves the command open for the next process', async () => {
    const first = await boot();
    first.accept(deploy(1, 'a'));
    await first.settle();
    first.store.sql.run(`UPDATE log_state SET rows = ? WHERE direction = 'out'`, LOG_ENTRIES_MAX);
    const stopped = first.runner.stop(5_000);
    await first.end(1, (held) => held.succeed());
    await stopped;
    first.store.sql.run(`UPDATE log_state SET rows = 1 WHERE direction = 'out'`);
    expect((await boot()).told()).toEqual(['1 running', '1 resumed']);
  });
});

describe('Runner: a newer process owns the database', () => {
  it('commits nothing more, and stops what runs', async () => {
    const older = await boot();
    older.accept(deploy(1, 'a'), deploy(2, 'b'));
    await older.settle();
    const newer = await boot();
    await older.end(1, (held) => held.succeed());
    expect(older.leaseLost).toHaveBeenCalled();
    expect(older.held.get(idOf(2))?.context.signal.aborted).toBe(true);
    expect(newer.told()).toEqual(['1 running', '2 running', '1 resumed', '2 resumed']);
    await newer.end(1, (held) => held.succeed());
    await newer.end(2, (held) => held.succeed());
    expect(newer.told().slice(4)).toEqual(['1 succeeded', '2 succeeded']);
  });

  it('commits nothing more once it was halted, although the database is still its own', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'));
    await process.settle();
    process.held.get(idOf(1))?.succeed();
    process.runner.halt(new Error('the edge refused this process'));
    process.accept(deploy(2, 'b'));
    await process.settle();
    expect(process.told()).toEqual(['1 running']);
  });

  it('loses its milestones too, and the command with them', async () => {
    const older = await boot();
    older.accept(deploy(1, 'a'));
    await older.settle();
    const newer = await boot();
    expect(() => older.held.get(idOf(1))?.context.progress('uploaded')).toThrow('newer process');
    expect(newer.told()).toEqual(['1 running', '1 resumed']);
  });
});
