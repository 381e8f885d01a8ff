import type { DeployResult, DeployWorker, RollbackWorker, Sql } from '@clawdbot/protocol';
import { beforeAll, describe, expect, it } from 'vitest';
import { Bench, COMMAND, commandOf, FIRST, gradual } from './bench.fixture.ts';
import { saying } from './cloudflare.fixture.ts';
import type { Deployer } from './deployer.ts';

beforeAll(() => import('./api.ts'), 20_000);

/**
 * Where a process may die: before a call to Cloudflare, a look at the Worker or a question to the edge has any effect,
 * behind it but before anybody knows, and before or behind each commit. Counted over a whole deployment, so that every
 * step is in it.
 */
type Moment = 'before a call' | 'behind a call' | 'before a commit' | 'behind a commit';
const MOMENTS: readonly Moment[] = ['before a call', 'behind a call', 'before a commit', 'behind a commit'];

class Killed extends Error {}

/** A machine of which the process dies at the nth such moment. */
class Machine extends Bench {
  counts: Record<Moment, number> = {
    'before a call': 0,
    'behind a call': 0,
    'before a commit': 0,
    'behind a commit': 0,
  };
  #at: { moment: Moment; n: number; then: 'die' | 'cancel' } | undefined;
  isDead = false;
  #hasProbed = false;
  #hasAsked = false;

  readonly #dying: Sql = {
    run: (text, ...params) => {
      if (this.isDead) throw new Killed();
      return this.sql.run(text, ...params);
    },
    transaction: <T>(work: () => T): T => {
      const result = this.sql.transaction(() => {
        const done = work();
        this.#pass('before a commit');
        return done;
      });
      this.#hasProbed = false;
      this.#hasAsked = false;
      this.#pass('behind a commit');
      return result;
    },
  };

  constructor() {
    super();
    this.cloudflare.serveBy(saying);
    // An event is committed with its fact, or is not.
    this.sql.run('CREATE TABLE told (command_id TEXT, status TEXT)');
    this.record = ({ data }) =>
      void this.sql.run('INSERT INTO told VALUES (?, ?)', String(data['commandId']), String(data['status']));
  }

  /** Of the questions between two commits the first one counts, as of the probes. */
  override tallies = async () => {
    const counts = !this.#hasAsked;
    this.#hasAsked = true;
    if (counts) this.#pass('before a call');
    const of = (answered: number) => ({ answered, failed: 0, apart: 0 });
    if (counts) this.#pass('behind a call');
    const at = this.now;
    return [{ lane: 0, tally: { since: at, at, version: of(25), before: of(75), others: of(0) } }];
  };

  /** The process that may die. */
  process(): Deployer {
    return this.deployer({ sql: this.#dying, fetcher: this.#fetcher });
  }

  dieAt(moment: Moment, n: number): void {
    this.#await(moment, n, 'die');
  }

  /** It is cancelled then, and lives on. */
  cancelAt(moment: Moment, n: number): void {
    this.#await(moment, n, 'cancel');
  }

  #await(moment: Moment, n: number, then: 'die' | 'cancel'): void {
    this.#at = { moment, n, then };
    this.counts = { 'before a call': 0, 'behind a call': 0, 'before a commit': 0, 'behind a commit': 0 };
  }

  live(): void {
    this.#at = undefined;
    this.isDead = false;
    this.reboot();
  }

  /** Of the probes between two commits, which are all alike, the first one counts. */
  readonly #fetcher: typeof fetch = async (input, init) => {
    const isProbe = !String(input).includes('/accounts/');
    const counts = !isProbe || !this.#hasProbed;
    this.#hasProbed = isProbe;
    if (counts) this.#pass('before a call');
    const answer = await this.cloudflare.fetcher(input, init);
    if (counts) this.#pass('behind a call');
    return answer;
  };

  #pass(moment: Moment): void {
    if (this.isDead) throw new Killed();
    const n = ++this.counts[moment];
    if (this.#at?.moment !== moment || this.#at.n !== n) return;
    if (this.#at.then === 'cancel') {
      this.cancel();
      return;
    }
    this.isDead = true;
    this.stop();
    throw new Killed();
  }
}

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
  { name: 'a Worker’s first version', hasBefore: false, act: deploying({ routes: ['a.example/*'] }) },
  { name: 'a version at once', hasBefore: true, act: deploying({ routes: ['b.example/*'] }) },
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
  await machine.deploy({ commandId: FIRST });
  if (!isUpload(tried)) await machine.deploy({ commandId: commandOf(2) });
  return machine;
}

/** A run that nothing interrupts: how often each moment comes, and how often the traffic is divided. */
async function wholeRun(tried: Case): Promise<{ counts: Record<Moment, number>; divisions: number }> {
  const machine = await prepared(tried);
  machine.dieAt('before a call', Number.POSITIVE_INFINITY);
  await tried.act(machine, false);
  return { counts: machine.counts, divisions: machine.script().deployments.length };
}

const isUpload = ({ name }: Case): boolean => name !== 'a rollback';
/** The steps that were found written down by the process that came after, in all kills together. */
const stepOf = (machine: Machine): unknown =>
  machine.sql.run('SELECT state FROM deployments WHERE command_id = ?', COMMAND)[0]?.['state'];

const hadTraffic = (machine: Machine): boolean => {
  const [row] = machine.sql.run('SELECT facts FROM deployments WHERE command_id = ?', COMMAND);
  return row !== undefined && JSON.parse(String(row['facts'])).percentage !== undefined;
};

describe.each(CASES)('killed at every call and every commit, $name', (tried) => {
  it.each(MOMENTS)('%s: goes on to its end, with one version', async (moment) => {
    const { counts, divisions } = await wholeRun(tried);
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
        machine.cancelAt(moment, n);
        const outcome = await tried.act(machine, false).catch((error: unknown) => error);
        if (outcome instanceof Error) {
          cancelled++;
          expect(outcome, `${moment} ${n}`).toMatchObject({ name: 'Cancelled' });
          expect(machine.serving(), `${moment} ${n}`).toBe(before);
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
    }
  });
});
