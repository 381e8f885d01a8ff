import { Failure, LOG_ENTRIES_MAX } from '@clawdbot/protocol';
import { describe, expect, it } from 'vitest';
import { boot, config, deploy, idOf, ownProcesses, RESULT } from './runner.fixture.ts';

ownProcesses();

describe('Runner: what the edge is told', () => {
  it('begins with "running", ends with one result, and tells the milestones between', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'));
    await process.settle();
    await process.end(1, ({ context, succeed }) => {
      context.progress('uploaded', 'version v');
      succeed();
    });
    expect(process.told()).toEqual(['1 running', '1 uploaded', '1 succeeded']);
    expect(process.entries().at(-1)).toMatchObject({ result: RESULT });
  });

  it('gives a Failure’s code and sentence, and of anything else only that it is internal', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'), deploy(2, 'b'));
    await process.settle();
    await process.end(1, ({ fail }) => fail(new Failure('cloudflare_refused', 'a syntax error')));
    await process.end(2, ({ fail }) => fail(new TypeError('x of undefined')));
    const results = process.entries().filter((entry) => entry.type === 'command_result');
    expect(results.map((entry) => entry.error)).toEqual([
      { code: 'cloudflare_refused', message: 'a syntax error' },
      { code: 'internal', message: expect.not.stringContaining('undefined') },
    ]);
    expect(process.lines.join()).toContain('x of undefined');
  });

  it('takes a command once, and answers one that has ended again without running it', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'));
    await process.settle();
    process.accept(deploy(1, 'a'));
    await process.end(1, (held) => held.succeed());
    process.accept(deploy(1, 'a'));
    await process.settle();
    expect(process.begun).toEqual([idOf(1)]);
    expect(process.told()).toEqual(['1 running', '1 succeeded', '1 succeeded']);
  });

  it('keeps a result until the log has room for it', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'));
    await process.settle();
    process.store.sql.run(`UPDATE log_state SET rows = ? WHERE direction = 'out'`, LOG_ENTRIES_MAX);
    await process.end(1, ({ context, succeed }) => {
      context.progress('dropped');
      succeed();
    });
    expect(process.told()).toEqual(['1 running']);
    process.store.sql.run(`UPDATE log_state SET rows = 1 WHERE direction = 'out'`);
    process.clock.pass(5_000);
    await process.settle();
    expect(process.told()).toEqual(['1 running', '1 succeeded']);
  });
});

describe('Runner: expiry and cancelling', () => {
  it('judges an expiry by the edge’s clock, whatever its own shows', async () => {
    const process = await boot();
    process.edgeAheadMs = -45_000;
    process.accept(deploy(1, 'a', { expiresAt: process.clock.now() - 15_000 }));
    await process.settle();
    await process.end(1, (held) => held.succeed());
    expect(process.told()).toEqual(['1 running', '1 succeeded']);
  });

  it('does not start what has expired, nor what was cancelled before', async () => {
    const process = await boot();
    const expiresAt = process.clock.now();
    const another = { siteId: 'site-2' };
    process.accept(deploy(1, 'a'), deploy(2, 'a', { expiresAt: expiresAt + 10 }), deploy(3, 'a', another));
    process.cancel(3, 'not needed');
    await process.settle();
    process.clock.pass(10);
    await process.end(1, (held) => held.succeed());
    expect(process.begun).toEqual([idOf(1)]);
    expect(process.told().filter((what) => !what.endsWith('waiting'))).toEqual([
      '1 running',
      '1 succeeded',
      '2 expired',
      '3 cancelled',
    ]);
  });

  it('aborts a running command with the reason, and says cancelled only if that stopped it', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'), deploy(2, 'b'));
    await process.settle();
    process.held.get(idOf(2))?.succeed();
    process.cancel(1, 'an operator said so');
    process.cancel(2, 'too late');
    await process.settle();
    expect(process.told().slice(2).sort()).toEqual(['1 cancelled', '2 succeeded']);
    expect(
      process.entries().find((e) => e.type === 'command_result' && e.state === 'cancelled'),
    ).toMatchObject({
      reason: 'an operator said so',
    });
  });
});

describe('Runner: a site that is deleted', () => {
  it('has its open commands cancelled, those that wait and those that run, and no other', async () => {
    const process = await boot();
    process.accept(deploy(1, 'a'), deploy(2, 'a'), deploy(3, 'b', { siteId: 'site-2' }));
    await process.settle();
    process.store.sql.transaction(() => {
      process.runner.accept(config(4, 'site-1'), { logId: 'log-edge', seq: 90 });
      process.runner.cancelSite('site-1', 'the site was deleted');
    });
    process.accept(config(5, 'site-1'));
    await process.settle();
    expect(process.told().sort()).toEqual([
      '1 cancelled',
      '1 running',
      '2 cancelled',
      '2 waiting',
      '3 running',
      '4 cancelled',
      '5 running',
      '5 succeeded',
    ]);
    expect(process.applied.mock.calls.map(([{ generation }]) => generation)).toEqual([5]);
  });
});

describe('Runner: deployments given on this machine', () => {
  const { commandId: _, ...body } = deploy(1, 'a');
  const modules = new Map([['a'.repeat(64), new Uint8Array([1])]]);
  const [ref] = body.modules;

  it('run like others, with their own modules, and the edge hears nothing of them', async () => {
    const process = await boot();
    const result = process.runner.submitLocal(body, modules);
    await process.settle();
    const [held] = [...process.held.values()];
    expect(held?.id).toMatch(/^cmd_vps-1_[0-9a-z]{22}$/);
    expect(await held?.context.blob(ref ?? { sha256: '', bytes: 0 })).toEqual(new Uint8Array([1]));
    held?.succeed();
    await expect(result).resolves.toEqual(RESULT);
    expect(process.told()).toEqual([]);
  });

  it('say so when their modules went with the process', async () => {
    const first = await boot();
    const lost = first.runner.submitLocal(body, modules);
    await first.settle();
    first.runner.halt(new Error('killed'));
    await expect(lost).rejects.toMatchObject({ code: 'orchestrator_away' });
    const second = await boot();
    const [held] = [...second.held.values()];
    await expect(held?.context.blob(ref ?? { sha256: '', bytes: 0 })).rejects.toMatchObject({
      code: 'blob_missing',
    });
  });
});
