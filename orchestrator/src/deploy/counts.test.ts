import { beforeEach, describe, expect, it } from 'vitest';
import type { CommandContext } from '../commands/handler.ts';
import { bench, COMMAND, gradual } from './bench.fixture.ts';
import { before, divisions, ownWorker, start } from './rollout.fixture.ts';

ownWorker();

describe('a gradual deployment, by the edge’s counts', () => {
  const NONE = { answered: 0, failed: 0, apart: 0 };
  const of = (requests: number, failed: number) => ({ answered: requests - failed, failed, apart: 0 });
  const asked: Parameters<CommandContext['tallies']>[0][] = [];
  beforeEach(() => {
    asked.length = 0;
  });
  /** The edge counts so, by the stage of the rollout. */
  const count = (tallyOf: (stage: number) => { version: typeof NONE; before: typeof NONE }): void => {
    const begun = new Map<string, number>();
    bench.tallies = async (ref) => {
      asked.push(ref);
      const since = begun.get(ref.window) ?? bench.now;
      begun.set(ref.window, since);
      const counts = tallyOf(Number(ref.window.split('/')[1]));
      return [{ lane: 0, tally: { since, at: bench.now, others: NONE, ...counts } }];
    };
  };

  it('is rolled back when its requests fail and those of the version before do not, although every probe is fine', async () => {
    count((stage) => ({ version: stage === 1 ? of(310, 42) : of(30, 0), before: of(2_800, 2) }));
    await expect(start()).rejects.toMatchObject({
      code: 'deploy_failed',
      message: expect.stringMatching(
        /^42 of 310 relayed requests of the new version failed \(the version before: 2 of 2800\), and no larger share may fail; 1 of 1 probes were fine; rolled back: 100 %/,
      ),
    });
    expect(divisions()).toEqual([[0, 100], [1, 99], [10, 90], [100]]);
    expect(bench.serving()).toBe(`${before} 100`);
    expect(bench.details[bench.milestones.indexOf('undoing')]).toMatch(/^42 of 310 relayed requests/);
  });

  it('goes on when an upstream fails for both versions, and says at each percentage what that rests on', async () => {
    count((stage) =>
      stage === 2 ? { version: of(900, 450), before: NONE } : { version: of(100, 50), before: of(800, 400) },
    );
    await start();
    const healthy = bench.details.filter((_, at) => bench.milestones[at] === 'healthy');
    expect(healthy).toEqual([
      expect.stringMatching(
        /^at 1 %: (\d+) of \1 probes; 100 relayed requests, 50 failed \(the version before: 400 of 800\)/,
      ),
      expect.stringMatching(/^at 10 %/),
      expect.stringMatching(
        /^at 100 %: .*900 relayed requests, 450 failed \(the version before, at 10 %: 400 of 800\)/,
      ),
    ]);
  });

  it('has one count for each percentage with traffic, by both versions, whichever process asks', async () => {
    count(() => ({ version: of(30, 0), before: of(90, 0) }));
    bench.onWait = () => {
      if (asked.length === 3) bench.stop();
    };
    await expect(start()).rejects.toThrow('the process stops');
    bench.reboot();
    const { versionId: version } = await bench.deploy({ strategy: gradual() }, { resumed: true });
    const windows = [0, 1, 2].map((stage) => `${COMMAND}/${stage}`);
    expect([...new Set(asked.map(({ window }) => window))]).toEqual(windows);
    for (const ref of asked) expect(ref).toMatchObject({ version, before });
  });

  it('rests on the probes alone when the edge cannot be asked, and says so', async () => {
    await start();
    expect(bench.details[bench.milestones.indexOf('healthy')]).toMatch(
      /^at 1 %: .* probes; the edge could not be asked: the probes alone decided$/,
    );
  });
});
