import { Failure } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { boot, config, deploy, idOf, ownProcesses, type Process, rollback } from './runner.fixture.ts';
import type { CommandBody } from './table.ts';

ownProcesses();

describe('Runner: order', () => {
  it('runs commands of one key one after the other, in the order they came', async () => {
    const process = await boot();
    const { begun } = process;
    process.accept(deploy(1, 'a'), deploy(2, 'a'), deploy(3, 'b'));
    await process.settle();
    expect(begun).toEqual([idOf(1), idOf(3)]);
    await process.end(1, (held) => held.fail(new Failure('cloudflare_refused', 'no')));
    expect(begun).toEqual([idOf(1), idOf(3), idOf(2)]);
  });

  it('runs at most four at once, of different keys', async () => {
    const process = await boot();
    process.accept(...[1, 2, 3, 4, 5, 6].map((n) => deploy(n, `w${n}`)));
    await process.settle();
    expect(process.begun).toEqual([1, 2, 3, 4].map(idOf));
    await process.end(3, (held) => held.succeed());
    expect(process.begun.at(-1)).toBe(idOf(5));
  });
});

describe('Runner: one deployment per Worker at a time', () => {
  it('says once of the next one that it waits, and for which', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'), deploy(2, 'a'));
    process.accept(deploy(3, 'b'));
    await process.settle();
    expect(process.told()).toEqual(['1 running', '2 waiting', '3 running']);
    const waiting = process.entries().find((e) => e.type === 'command_progress' && e.milestone === 'waiting');
    expect(waiting).toMatchObject({ detail: `for ${idOf(1)}, which deploys the same Worker` });
  });

  it('gives up one that waits for a newer one, never one that runs', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'), deploy(2, 'a'));
    process.accept(rollback(3, 'a'));
    await process.end(1, (held) => held.succeed());
    expect(process.begun).toEqual([idOf(1), idOf(3)]);
    const ended = process.entries().find((e) => e.type === 'command_result' && e.commandId === idOf(2));
    expect(ended).toMatchObject({ state: 'cancelled', reason: 'superseded' });
  });

  it('gives none up for another site’s, which may not have the name at all', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'), deploy(2, 'a'), deploy(3, 'a', { siteId: 'site-2' }));
    await process.end(1, (held) => held.succeed());
    expect(process.begun).toEqual([idOf(1), idOf(2)]);
  });

  it('that only waits gives its place to another one’s', async () => {
    const process = await boot();
    process.accept(...[1, 2, 3, 4, 5].map((n) => deploy(n, `w${n}`)));
    const baked = Promise.withResolvers<void>();
    const aside = process.held.get(idOf(1))?.context.aside(() => baked.promise);
    await process.settle();
    expect(process.begun).toEqual([1, 2, 3, 4, 5].map(idOf));
    baked.resolve();
    await aside;
  });

  it('that only waits does not hold up a stop, and is taken up again', async () => {
    const first = await boot();
    first.accept(deploy(1, 'a'));
    void first.held.get(idOf(1))?.context.aside(() => new Promise(() => {}));
    await first.runner.stop(60_000);
    expect(first.held.get(idOf(1))?.context.stop.aborted).toBe(true);
    const second = await boot();
    expect(second.told()).toEqual(['1 running', '1 resumed']);
  });
});

describe('Runner: a deployment and the edits of its site', () => {
  const another = { siteId: 'site-2' };
  const edits = (count: number) => Array.from({ length: count }, (_, n) => config(n + 1, 'site-1'));
  /** Commands that came while nothing could be started. */
  const wait = (process: Process, bodies: readonly CommandBody[]): void =>
    process.store.sql.transaction(() => {
      for (const [at, body] of bodies.entries())
        process.runner.accept(body, { logId: 'log-edge', seq: at + 1 });
    });

  it('does not start before those that are older, however many wait, while other sites’ go on', async () => {
    const process = await boot();
    wait(process, [...edits(120), deploy(201, 'a'), deploy(202, 'b', another)]);
    process.runner.wake();
    expect(process.begun).toEqual([idOf(202)]);
    for (let turn = 0; turn < 3; turn++) await process.settle();
    expect(process.begun).toEqual([idOf(202), idOf(201)]);
    const told = process.told();
    expect(told.indexOf('201 running')).toBeGreaterThan(told.indexOf('120 succeeded'));
  });

  it('does not start before them in the next process either', async () => {
    const first = await boot();
    wait(first, [...edits(60), deploy(201, 'a')]);
    first.runner.wake();
    first.runner.halt(new Error('killed'));
    const second = await boot();
    for (let turn = 0; turn < 3; turn++) await second.settle();
    expect([first.begun, second.begun]).toEqual([[], [idOf(201)]]);
    expect(second.applied.mock.calls.map(([{ generation }]) => generation)).toContain(60);
  });

  it('does not keep younger ones waiting', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'), deploy(2, 'a'));
    await process.settle();
    process.accept(config(3, 'site-1'));
    await process.end(1, (held) => held.succeed());
    const told = ['1 running', '2 waiting', '3 running', '3 succeeded', '1 succeeded', '2 running'];
    expect(process.told()).toEqual(told);
  });

  it('starts behind one that was refused', async () => {
    const process = await boot();
    process.applied.mockImplementation(() => {
      throw new Failure('config_refused', 'an upstream outside the list');
    });
    wait(process, [config(1, 'site-1'), deploy(2, 'a')]);
    process.runner.wake();
    expect(process.told()).toEqual(['1 running', '1 failed', '2 running']);
  });

  it('is not overtaken by a younger one of the same Worker while it waits', async () => {
    const process = await boot();
    wait(process, [...edits(60), deploy(201, 'a'), deploy(202, 'a', another)]);
    process.runner.wake();
    expect(process.begun).toEqual([]);
    await process.settle();
    expect(process.begun).toEqual([idOf(201)]);
  });
});
