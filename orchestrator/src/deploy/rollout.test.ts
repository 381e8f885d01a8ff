import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CommandContext } from '../commands/handler.ts';
import { Bench, body, COMMAND, commandOf, FIRST, gradual } from './bench.fixture.ts';
import { dropped, refusal, saying } from './cloudflare.fixture.ts';

let bench: Bench;
/** What served everybody before. */
let before: string;

beforeAll(() => import('./api.ts'), 20_000);
beforeEach(async () => {
  bench = new Bench();
  bench.cloudflare.serveBy(saying);
  before = (await bench.deploy({ commandId: FIRST })).versionId;
  bench.milestones.length = 0;
  bench.details.length = 0;
  bench.events.length = 0;
});

const start = (more: object = {}) => bench.deploy({ strategy: gradual(more) });
/** Every division of traffic since the first deployment, oldest first. */
const divisions = () =>
  bench
    .script()
    .deployments.toReversed()
    .slice(1)
    .map(({ versions }) => versions.map(({ percentage }) => percentage));
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

describe('cancelling a deployment', () => {
  /** Cancels when a call of this kind, the `nth`, has taken effect. */
  const cancelAfter = (call: string): void => {
    bench.cloudflare.fail({
      on: call,
      when: 'after',
      answer: () => {
        bench.cancel();
        throw new TypeError('fetch failed');
      },
    });
  };

  it('before it has begun sends nothing', async () => {
    bench.cancel();
    bench.cloudflare.calls.length = 0;
    await expect(start()).rejects.toThrow('cancelled by an operator');
    expect(bench.cloudflare.calls).toEqual([]);
    expect(bench.deployer().workers()).toMatchObject([{ state: 'deployed', versionId: before }]);
  });

  it.each(['GET deployments', 'POST versions'])('after %s leaves no version', async (call) => {
    cancelAfter(call);
    await expect(start()).rejects.toThrow(/cancelled by an operator/);
    expect(bench.versionsOf(COMMAND)).toEqual([]);
    expect(bench.serving()).toBe(`${before} 100`);
  });

  it.each([
    ['PUT', '/scripts/new', 'new'],
    ['POST', '/versions', 'tracker'],
    ['POST', '/deployments', 'tracker'],
  ])(
    'while a %s of …%s is on its way leaves nothing of it, however late it is carried out',
    async (method, path, name) => {
      let late: () => unknown = () => undefined;
      const fetcher: typeof fetch = async (input, init = {}) => {
        const isIt = init.method === method && String(input).endsWith(path);
        if (isIt) bench.cancel();
        if (!isIt || init.signal?.aborted !== true) return bench.cloudflare.fetcher(input, init);
        late = () => bench.cloudflare.fetcher(input, { ...init, signal: null });
        throw new DOMException('aborted', 'AbortError');
      };
      const deployment = bench.deployer({ fetcher }).deploy(body({ name }), bench.context());
      await expect(deployment).rejects.toMatchObject({ name: 'Cancelled' });
      await late();
      expect(bench.cloudflare.scripts.has('new')).toBe(false);
      expect(bench.serving()).toBe(`${before} 100`);
      if (path === '/versions') expect(bench.versionsOf(COMMAND)).toEqual([]);
    },
  );

  it('during a rollout rolls back, and says so', async () => {
    bench.onWait = () => {
      if (bench.script().deployments[0]?.versions[0]?.percentage === 10) bench.cancel();
    };
    await expect(start()).rejects.toMatchObject({
      name: 'Cancelled',
      message: `cancelled by an operator; rolled back: 100 % to ${before}`,
    });
    expect(bench.serving()).toBe(`${before} 100`);
    expect(bench.events.at(-1)?.data['status']).toBe('cancelled');
  });

  it('of one at once rolls back, too, while it is being proven', async () => {
    bench.cloudflare.serveBy(() => {
      bench.cancel();
      throw new TypeError('fetch failed');
    });
    await expect(bench.deploy()).rejects.toThrow(/rolled back: 100 %/);
    expect(bench.serving()).toBe(`${before} 100`);
  });

  it('takes back the routes and host names that it has added, and no others', async () => {
    const had = { routes: ['a.example/*'], customDomains: ['old.a.example'] };
    const { versionId } = await bench.deploy({ commandId: commandOf(2), ...had });
    bench.cloudflare.domains.push({ id: '7', hostname: 'by-hand.a.example', service: 'tracker' });
    bench.cloudflare.serveBy(() => {
      bench.cancel();
      throw new TypeError('fetch failed');
    });
    bench.cloudflare.fail({ on: 'DELETE domain', when: 'after', answer: dropped });
    const customDomains = ['old.a.example', 'by-hand.a.example', 'new.a.example'];
    await expect(bench.deploy({ routes: ['b.example/*'], customDomains })).rejects.toThrow(
      `rolled back: 100 % to ${versionId}; its routes are as they were; new.a.example is detached again`,
    );
    expect(bench.script().routes).toEqual(['a.example/*']);
    expect(bench.cloudflare.domains.map(({ hostname }) => hostname)).toEqual(customDomains.slice(0, 2));
  });

  it('leaves what somebody else has made of the addresses meanwhile', async () => {
    bench.cloudflare.serveBy(() => {
      bench.script().routes = ['theirs.example/*'];
      for (const domain of bench.cloudflare.domains) domain.service = 'theirs';
      bench.cancel();
      throw new TypeError('fetch failed');
    });
    const addresses = { routes: ['b.example/*'], customDomains: ['new.a.example'] };
    await expect(bench.deploy(addresses)).rejects.toThrow(/rolled back/);
    expect(bench.script().routes).toEqual(['theirs.example/*']);
    expect(bench.cloudflare.domains).toMatchObject([{ hostname: 'new.a.example', service: 'theirs' }]);
  });

  it('of a new Worker takes it away again', async () => {
    cancelAfter('PUT script');
    await expect(bench.deploy({ commandId: commandOf(3), name: 'new' })).rejects.toThrow(/taken away again/);
    expect(bench.cloudflare.scripts.has('new')).toBe(false);
  });
});
