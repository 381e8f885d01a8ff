import type { DeployResult, DeployWorker, RollbackWorker } from '@clawdbot/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { COMMAND, commandOf, FIRST, gradual } from './bench.fixture.ts';
import { saying } from './cloudflare.fixture.ts';
import { Machine, MOMENTS } from './machine.fixture.ts';

beforeAll(() => import('./api.ts'), 20_000);

interface Case {
  readonly name: string;
  readonly hasBefore: boolean;
  readonly act: (machine: Machine, resumed: boolean) => Promise<DeployResult>;
}

const deploying = (more: Partial<DeployWorker>) => (machine: Machine, resumed: boolean) =>
  machine.process().deploy(bodyOf(more), machine.context({ commandId: COMMAND, resumed }));

const bodyOf = (more: Partial<DeployWorker>): DeployWorker => ({
  type: 'deploy_worker',
  commandId: COMMAND,
  siteId: 'site-1',
  name: 'tracker',
  mainModule: 'src/index.js',
  compatibilityDate: '2026-01-01',
  modules: [{ path: 'src/index.js', sha256: 'src/index.js', bytes: 1 }],
  ...more,
});

const back: RollbackWorker = {
  type: 'rollback_worker',
  commandId: COMMAND,
  siteId: 'site-1',
  name: 'tracker',
};

const CASES: readonly Case[] = [
  {
    name: 'a Worker’s first version',
    hasBefore: false,
    act: deploying({ routes: ['a.example/*'], customDomains: ['shop.a.example'] }),
  },
  {
    name: 'a version at once',
    hasBefore: true,
    act: deploying({
      routes: ['b.example/*'],
      customDomains: ['old.a.example', 'by-hand.a.example', 'shop.b.example'],
    }),
  },
  {
    name: 'a gradual rollout',
    hasBefore: true,
    act: deploying({ strategy: gradual({ steps: [10, 100], bakeMs: 0 }) }),
  },
  {
    name: 'a rollback',
    hasBefore: true,
    act: (machine, resumed) =>
      machine.process().rollback(back, machine.context({ commandId: COMMAND, resumed })),
  },
];

async function prepared(tried: Case): Promise<Machine> {
  const machine = new Machine();
  if (!tried.hasBefore) return machine;
  await machine.deploy({ commandId: FIRST, routes: ['a.example/*'], customDomains: ['old.a.example'] });
  // This one somebody else has attached: it is not ours to take away.
  machine.cloudflare.domains.push({ id: 'by-hand', hostname: 'by-hand.a.example', service: 'tracker' });
  if (!isUpload(tried)) await machine.deploy({ commandId: commandOf(2) });
  return machine;
}

/** A run that nothing interrupts: how often each moment comes, how often the traffic is divided, what it leaves. */
async function wholeRun(tried: Case) {
  const machine = await prepared(tried);
  machine.dieAt('before a call', Number.POSITIVE_INFINITY);
  await tried.act(machine, false);
  const divisions = machine.script().deployments.length;
  return { counts: machine.counts, divisions, addresses: addressesOf(machine) };
}

const isUpload = ({ name }: Case): boolean => name !== 'a rollback';

/** The steps that were found written down by the process that came after, in all kills together. */
const stepOf = (machine: Machine): unknown =>
  machine.sql.run('SELECT state FROM deployments WHERE command_id = ?', COMMAND)[0]?.['state'];

/** Where the Worker answers, beside workers.dev. */
const addressesOf = ({ cloudflare }: Machine) => ({
  routes: cloudflare.scripts.get('tracker')?.routes ?? [],
  domains: cloudflare.domains.map(({ hostname }) => hostname),
});

const hadTraffic = (machine: Machine): boolean => {
  const [row] = machine.sql.run('SELECT facts FROM deployments WHERE command_id = ?', COMMAND);
  return row !== undefined && JSON.parse(String(row['facts'])).percentage !== undefined;
};

describe.each(CASES)('killed at every call and every commit, $name', (tried) => {
  it.each(MOMENTS)('%s: goes on to its end, with one version', async (moment) => {
    const { counts, divisions, addresses } = await wholeRun(tried);
    const length = counts[moment];
    expect(length).toBeGreaterThan(2);
    for (let n = 1; n <= length; n++) {
      const machine = await prepared(tried);
      machine.dieAt(moment, n);
      await tried.act(machine, false).catch(() => undefined);
      expect(machine.isDead, `${moment} ${n}`).toBe(true);
      machine.live();
      const result = await tried.act(machine, true);
      expect(machine.serving(), `${moment} ${n}`).toBe(`${result.versionId} 100`);
      expect(machine.versionsOf(COMMAND)).toHaveLength(isUpload(tried) ? 1 : 0);
      expect(machine.script().deployments, `${moment} ${n}`).toHaveLength(divisions);
      expect(result.proof).toBe('observed');
      expect(addressesOf(machine), `${moment} ${n}`).toEqual(addresses);
      expect(machine.deployer().workers()).toMatchObject([
        { state: 'deployed', versionId: result.versionId },
      ]);
      const told = machine.sql.run(
        `SELECT status FROM told WHERE command_id = ? AND status <> 'shifting'`,
        COMMAND,
      );
      expect(told).toEqual([{ status: 'deployed' }]);
    }
  });

  it.each(MOMENTS)('%s, and cancelled before it is back: what served before serves', async (moment) => {
    const length = (await wholeRun(tried)).counts[moment];
    const steps = new Set<unknown>();
    for (let n = 1; n <= length; n++) {
      const machine = await prepared(tried);
      const before = machine.serving();
      const addresses = addressesOf(machine);
      machine.dieAt(moment, n);
      await tried.act(machine, false).catch(() => undefined);
      machine.live();
      const step = stepOf(machine);
      steps.add(step);
      machine.cancel();
      const outcome = await tried.act(machine, true).catch((error: unknown) => error);
      // Behind its last commit it had ended before it was cancelled.
      if (step === 'succeeded') continue;
      expect(outcome, `${moment} ${n}`).toMatchObject({ name: 'Cancelled' });
      expect(machine.serving(), `${moment} ${n}, in ${String(step)}`).toBe(before);
      expect(addressesOf(machine), `${moment} ${n}, in ${String(step)}`).toEqual(addresses);
      expect(machine.cloudflare.scripts.has('tracker')).toBe(tried.hasBefore);
      expect(machine.versionsOf(COMMAND).length).toBeLessThanOrEqual(1);
    }
    if (moment === 'behind a call') expect(steps.size).toBeGreaterThan(2);
  });

  it.each(['before a call', 'behind a call'] as const)(
    'cancelled %s without a kill: what served before serves, or it was too late',
    async (moment) => {
      const length = (await wholeRun(tried)).counts[moment];
      let cancelled = 0;
      for (let n = 1; n <= length; n++) {
        const machine = await prepared(tried);
        const before = machine.serving();
        const addresses = addressesOf(machine);
        machine.cancelAt(moment, n);
        const outcome = await tried.act(machine, false).catch((error: unknown) => error);
        if (outcome instanceof Error) {
          cancelled++;
          expect(outcome, `${moment} ${n}`).toMatchObject({ name: 'Cancelled' });
          expect(machine.serving(), `${moment} ${n}`).toBe(before);
          expect(addressesOf(machine), `${moment} ${n}`).toEqual(addresses);
          if (!hadTraffic(machine)) expect(machine.versionsOf(COMMAND), `${moment} ${n}`).toEqual([]);
        } else expect(machine.serving()).not.toBe(before);
      }
      expect(cancelled).toBeGreaterThan(length / 2);
    },
  );

  it.each(MOMENTS)('%s of its undoing: is undone all the same', async (moment) => {
    for (let n = 1; ; n++) {
      const machine = await prepared(tried);
      const before = machine.serving();
      const addresses = addressesOf(machine);
      // Cancelled as late as can be: when it is being proven.
      machine.cloudflare.serveBy((_script, versionId) => {
        if (stepOf(machine) !== 'proving') return saying(_script, versionId);
        machine.cancel();
        machine.dieAt(moment, n);
        throw new TypeError('fetch failed');
      });
      await tried.act(machine, false).catch(() => undefined);
      if (!machine.isDead) return expect(n).toBeGreaterThan(2);
      machine.live();
      machine.cancel();
      machine.cloudflare.serveBy(saying);
      const outcome = await tried.act(machine, true).catch((error: unknown) => error);
      expect(outcome, `${moment} ${n}`).toMatchObject({ name: 'Cancelled' });
      expect(machine.serving()).toBe(before);
      expect(addressesOf(machine), `${moment} ${n}`).toEqual(addresses);
    }
  });
});
