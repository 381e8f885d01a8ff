import { describe, expect, it } from 'vitest';
import { bench, body, COMMAND, commandOf, gradual } from './bench.fixture.ts';
import { refusal } from './cloudflare.fixture.ts';
import { before, divisions, ownWorker, start } from './rollout.fixture.ts';

ownWorker();

/** The new version answers with this, once it has that much of the traffic. */
const failFrom = (percentage: number, status = 500): void =>
  bench.cloudflare.serveBy((script, versionId) => {
    const share = script.deployments[0]?.versions.find(({ version_id }) => version_id === versionId);
    const isBad = versionId !== before && (share?.percentage ?? 0) >= percentage;
    return new Response('', { status: isBad ? status : 200, headers: { 'Worker-Version': versionId } });
  });

describe('a gradual deployment', () => {
  it('asks the version at 0 %, goes through its percentages, and gives it all traffic', async () => {
    const result = await start();
    expect(divisions()).toEqual([[0, 100], [1, 99], [10, 90], [100]]);
    expect(bench.serving()).toBe(`${result.versionId} 100`);
    expect(result).toMatchObject({ proof: 'observed', receipts: { observed: {}, accepted: {} } });
    expect(bench.milestones).toEqual([
      'validated',
      'uploaded',
      'tested',
      ...['shifted', 'healthy', 'shifted', 'healthy', 'shifted', 'healthy'],
      'deployed',
      'checked',
    ]);
    expect(bench.events.map(({ data }) => [data['status'], data['percentage']])).toEqual([
      ['shifting', 1],
      ['shifting', 10],
      ['shifting', 100],
      ['deployed', 100],
    ]);
  });

  it('costs two calls for each percentage, beside those of the upload and the smoke test', async () => {
    bench.cloudflare.calls.length = 0;
    await start({ steps: [10, 100] });
    expect(bench.cloudflare.calls.filter((call) => call !== 'probe')).toEqual([
      ...['GET deployments', 'POST versions', 'POST deployments'],
      ...['GET deployments', 'POST deployments'],
      ...['GET deployments', 'POST deployments'],
    ]);
  });

  it('lets each percentage bake as long as it was told', async () => {
    const began = bench.now;
    await start({ bakeMs: 60_000 });
    expect(bench.now - began).toBeGreaterThanOrEqual(180_000);
  });

  it('bakes no longer than it was told when the clock is put back meanwhile', async () => {
    let [waited, isBack] = [0, false];
    bench.onWait = (ms) => {
      waited += ms;
      if (isBack || bench.script().deployments[0]?.versions[0]?.percentage !== 10) return;
      isBack = true;
      bench.now -= 3_600_000;
    };
    bench.now = 86_400_000;
    await start({ bakeMs: 60_000 });
    expect(waited).toBeLessThan(200_000);
  });

  it('is observed when the version answers when it is asked for by name, although others serve most', async () => {
    let observedAt: unknown;
    const shares: string[] = [];
    bench.record = ({ data }) => {
      shares.push(bench.serving());
      observedAt ??= (data['receipts'] as { observed?: unknown }).observed;
    };
    await start();
    expect(observedAt).toEqual({ at: expect.any(Number) });
    expect(shares[0]).toContain(`${before} 99`);
  });

  it.each([
    ['at 0 %', 0, [[0, 100], [100]]],
    ['at 1 %', 1, [[0, 100], [1, 99], [100]]],
    ['at 10 %', 10, [[0, 100], [1, 99], [10, 90], [100]]],
    ['at 100 %', 100, [[0, 100], [1, 99], [10, 90], [100], [100]]],
  ])('that fails its health check %s gives all traffic back', async (_when, percentage, expected) => {
    failFrom(percentage);
    await expect(start()).rejects.toMatchObject({
      code: 'deploy_failed',
      message: expect.stringMatching(
        /health check failed: 1 of 1 probes got no 200, and none may fail; .*answered 500/,
      ),
    });
    expect(bench.serving()).toBe(`${before} 100`);
    expect(divisions()).toEqual(expected);
    expect(bench.milestones.slice(-2)).toEqual(['undoing', 'undone']);
    expect(bench.events.at(-1)?.data['status']).toBe('failed');
    expect(bench.deployer().workers()).toMatchObject([{ state: 'deployed', versionId: before }]);
    expect(bench.versionsOf(COMMAND)).toHaveLength(percentage === 0 ? 0 : 1);
  });

  it('bears the share of failures that it was told to, and no more', async () => {
    let probes = 0;
    const flaky = (every: number) =>
      bench.cloudflare.serveBy((_script, versionId) => {
        const status = versionId !== before && ++probes % every === 0 ? 500 : 200;
        return new Response('', { status, headers: { 'Worker-Version': versionId } });
      });
    const healthCheck = { path: '/', status: 200, maxErrorRate: 0.25 };
    flaky(5);
    await start({ healthCheck });
    flaky(2);
    const strategy = gradual({ healthCheck });
    await expect(bench.deploy({ commandId: commandOf(3), strategy })).rejects.toThrow(
      /\d of \d probes got no 200, and at most 25 % may fail; http/,
    );
  });

  it.each(['//10.0.0.1/admin', '/\\10.0.0.1/admin', '/\t/10.0.0.1/admin'])(
    'asks the Worker and nobody else, also for the path %j',
    async (path) => {
      const hosts = new Set<string>();
      const fetcher: typeof fetch = (input, init) => {
        hosts.add(new URL(String(input)).hostname);
        return bench.cloudflare.fetcher(input, init);
      };
      const strategy = gradual({ healthCheck: { path, status: 200, maxErrorRate: 0 } });
      await bench.deployer({ fetcher }).deploy(body({ strategy }), bench.context());
      expect([...hosts].sort()).toEqual(['api.cloudflare.com', 'tracker.agency.workers.dev']);
    },
  );

  it('fails when the version cannot be asked for by name', async () => {
    bench.cloudflare.serveBy(() => new Response('', { headers: { 'Worker-Version': before } }));
    await expect(start()).rejects.toThrow(/could not reach the new version/);
    expect(bench.serving()).toBe(`${before} 100`);
  });

  it('does not overwrite what somebody else has deployed meanwhile', async () => {
    bench.onWait = () => {
      const { deployments } = bench.script();
      if (deployments[0]?.versions[0]?.percentage !== 10) return;
      const shares = [before, bench.versionsOf(COMMAND)[0] ?? ''].map((id) => ({
        version_id: id,
        percentage: 50,
      }));
      deployments.unshift({ id: 'theirs', versions: shares });
    };
    await expect(start()).rejects.toThrow(/deployed by somebody else.*left as it is/);
    expect(bench.script().deployments[0]?.id).toBe('theirs');
  });

  it('is not begun in the middle of another rollout', async () => {
    await bench.deploy({ commandId: commandOf(3) });
    const { deployments, versions } = bench.script();
    const shares = versions.slice(0, 2).map(({ id }) => ({ version_id: id, percentage: 50 }));
    deployments.unshift({ id: 'theirs', versions: shares });
    await expect(start()).rejects.toThrow(/in the middle of a rollout/);
    expect(bench.versionsOf(COMMAND)).toEqual([]);
  });

  it('of a new Worker gives its first version all traffic, checks it, and takes an unhealthy one away', async () => {
    const strategy = gradual();
    await bench.deploy({ commandId: commandOf(3), name: 'new', strategy });
    expect(bench.serving('new')).toMatch(/ 100$/);
    failFrom(0);
    const failing = bench.deploy({ commandId: commandOf(4), name: 'bad', strategy });
    await expect(failing).rejects.toThrow(/health check failed.*taken away again/);
    expect(bench.cloudflare.scripts.has('bad')).toBe(false);
  });

  it('waits for Cloudflare as long as it has to before it gives a rollback up', async () => {
    failFrom(10);
    let left = 20;
    const away = () => refusal(503, 10_013, 'try later');
    bench.onWait = () => {
      if (bench.script().deployments[0]?.versions[0]?.percentage !== 10 || left-- <= 0) return;
      bench.cloudflare.fail({ on: 'POST deployments', when: 'before', answer: away });
    };
    bench.cloudflare.fail({ on: 'GET deployments', when: 'before', answer: away });
    await expect(start()).rejects.toThrow(/rolled back/);
    expect(bench.serving()).toBe(`${before} 100`);
  });
});
