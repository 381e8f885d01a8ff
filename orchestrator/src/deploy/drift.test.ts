import { beforeEach, expect, it } from 'vitest';
import type { CommandContext } from '../commands/handler.ts';
import { bench, commandOf, FIRST, ownBench } from './bench.fixture.ts';
import { ON_THE_WAY_MS } from './budget.ts';
import { refusal, saying } from './cloudflare.fixture.ts';

let deployed: string;
const never = new AbortController().signal;

ownBench();
beforeEach(async () => {
  bench.cloudflare.serveBy(saying);
  deployed = (await bench.deploy({ commandId: FIRST })).versionId;
  bench.events.length = 0;
});

const changeOutside = () =>
  bench.script().deployments.unshift({ id: 'theirs', versions: [{ version_id: 'theirs', percentage: 100 }] });
const shown = () => bench.deployer().workers()[0]?.drift;

it('a Worker that was changed outside is told of once, shown, and left as it is', async () => {
  changeOutside();
  expect(await bench.deployer().checkDrift(never)).toBe(true);
  expect(await bench.deployer().checkDrift(never)).toBe(false);
  const what = `it was deployed outside: 100 % to version theirs, not 100 % to ${deployed}`;
  expect(bench.events).toMatchObject([
    {
      type: 'worker_deployment',
      siteId: 'site-1',
      data: { status: 'drifted', name: 'tracker', error: what },
    },
  ]);
  expect(shown()).toBe(what);
  expect(bench.serving()).toBe('theirs 100');
});

it('one that is as it was deployed again, or deployed anew, is in line', async () => {
  changeOutside();
  await bench.deployer().checkDrift(never);
  bench.script().deployments.shift();
  await bench.deployer().checkDrift(never);
  expect(bench.events.map(({ data }) => data['status'])).toEqual(['drifted', 'aligned']);
  expect(shown()).toBeUndefined();
  changeOutside();
  await bench.deployer().checkDrift(never);
  await bench.deploy();
  expect(shown()).toBeUndefined();
});

it.each(['deploy', 'rollback'] as const)(
  'the next %s says in its history that it replaces that',
  async (what) => {
    changeOutside();
    const replaced: (string | undefined)[] = [];
    const progress: CommandContext['progress'] = (milestone, detail) => {
      if (milestone === 'replaces') replaced.push(detail);
    };
    await bench[what]({}, { progress });
    expect(replaced).toEqual([`it was deployed outside: 100 % to version theirs, not 100 % to ${deployed}`]);
    await bench.deploy({ commandId: commandOf(7) }, { progress });
    expect(replaced).toHaveLength(1);
  },
);

it('one that is gone is told of, too', async () => {
  bench.cloudflare.scripts.clear();
  await bench.deployer().checkDrift(never);
  expect(shown()).toBe('the Worker is gone');
});

it('routes and host names that were changed outside are told of, and left as they are', async () => {
  const customDomains = ['shop.a.example', 'www.a.example'];
  await bench.deploy({ routes: ['a.example/*', 'b.example/*'], customDomains });
  bench.script().routes.reverse();
  bench.cloudflare.domains.push({ id: '7', hostname: 'more.a.example', service: 'tracker' });
  await bench.deployer().checkDrift(never);
  expect(shown()).toBeUndefined();
  bench.script().routes = ['theirs.example/*'];
  bench.cloudflare.domains.shift();
  bench.cloudflare.calls.length = 0;
  expect(await bench.deployer().checkDrift(never)).toBe(true);
  expect(shown()).toBe(
    'its routes were changed outside: theirs.example/*, not a.example/*, b.example/*; it was taken off shop.a.example',
  );
  expect(bench.cloudflare.calls).toEqual(['GET deployments', 'GET routes', 'GET domains']);
  await bench.deploy({ commandId: commandOf(7), routes: ['a.example/*'], customDomains });
  expect(bench.script().routes).toEqual(['a.example/*']);
  expect(bench.cloudflare.domains.map(({ hostname }) => hostname)).toContain('shop.a.example');
  expect(shown()).toBeUndefined();
});

it('takes a fifth of any window’s calls at most, and those first that were not looked at for longest', async () => {
  for (const n of [2, 3, 4]) await bench.deploy({ name: `w${n}`, commandId: commandOf(n) });
  const deployer = bench.deployer();
  deployer.share({ calls: 10, windowMs: 300_000 });
  bench.cloudflare.calls.length = 0;
  // What the deployments have spent is no part of this.
  bench.now += 300_000 + ON_THE_WAY_MS;
  const begun = bench.now;
  await deployer.checkDrift(never);
  expect([bench.cloudflare.calls.length, bench.now]).toEqual([2, begun]);
  bench.now += 1_000;
  await deployer.checkDrift(never);
  expect([bench.cloudflare.calls.length, bench.now]).toEqual([4, begun + 300_000 + ON_THE_WAY_MS]);
  const looked = bench.sql.run('SELECT COUNT(*) AS n FROM workers WHERE checked_at IS NOT NULL');
  expect(looked).toEqual([{ n: 4 }]);
});

it('a Worker that Cloudflare does not show keeps the others from nothing', async () => {
  await bench.deploy({ name: 'another', commandId: commandOf(2) });
  changeOutside();
  const answer = () => refusal(403, 10_000, 'no');
  bench.cloudflare.fail({ on: 'GET deployments', when: 'before', answer });
  await bench.deployer().checkDrift(never);
  await bench.deployer().checkDrift(never);
  expect(
    bench
      .deployer()
      .workers()
      .map(({ drift }) => drift !== undefined),
  ).toEqual([false, true]);
});
