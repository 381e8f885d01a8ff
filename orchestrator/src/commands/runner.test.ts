import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DeployWorker,
  EMPTY_CONFIG,
  type EntryToEdge,
  edgeCodec,
  Failure,
  LOG_ENTRIES_MAX,
  Outbox,
  type UpdateConfig,
} from '@clawdbot/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../clock.fixture.ts';
import { recordingLogger } from '../log.fixture.ts';
import { openStore, type Store } from '../store/index.ts';
import type { CommandContext, Handlers } from './handler.ts';
import { Runner } from './runner.ts';
import type { CommandBody } from './table.ts';

const RESULT = { deploymentId: 'd', versionId: 'v', url: 'http://w', proof: 'accepted' } as const;
const idOf = (n: number): string => `cmd_vps-1_${String(n).padStart(22, '0')}`;

const deploy = (n: number, name: string, more: Partial<DeployWorker> = {}): DeployWorker => ({
  type: 'deploy_worker',
  commandId: idOf(n),
  siteId: 'site-1',
  name,
  mainModule: 'index.js',
  compatibilityDate: '2026-01-01',
  modules: [{ path: 'index.js', sha256: 'a'.repeat(64), bytes: 1 }],
  ...more,
});
const config = (n: number, siteId: string): UpdateConfig => ({
  type: 'update_config',
  commandId: idOf(n),
  siteId,
  generation: n,
  digest: 'b'.repeat(64),
  config: EMPTY_CONFIG,
});

interface Held {
  readonly id: string;
  readonly context: CommandContext;
  readonly succeed: () => void;
  readonly fail: (error: unknown) => void;
}

/** A process: a store opened over the same folder, a runner, and handlers that end when the test says so. */
class Process {
  readonly store: Store;
  readonly outbox: Outbox;
  readonly runner: Runner;
  readonly clock = new ManualClock();
  readonly held = new Map<string, Held>();
  readonly begun: string[] = [];
  readonly lines: string[];
  readonly leaseLost = vi.fn();
  readonly rolledBack = vi.fn();
  /** Configs, in the order in which they were applied. */
  readonly applied = vi.fn(({ generation, digest }: UpdateConfig) => ({ generation, digest }));
  edgeAheadMs = 0;
  awaitsResync = false;
  #positions = 0;

  constructor(dir: string) {
    this.store = openStore(dir, 'vps-1');
    const { log, lines } = recordingLogger();
    this.lines = lines;
    const { sql } = this.store;
    this.outbox = new Outbox({
      sql,
      log: 'control',
      now: this.clock.now,
      newLogId: () => 'log-orchestrator',
    });
    this.runner = new Runner({
      orchestratorId: 'vps-1',
      sql,
      outbox: this.outbox,
      handlers: this.#handlers(),
      clock: this.clock,
      edgeNow: () => this.clock.now() + this.edgeAheadMs,
      random: (length) => new Uint8Array(length),
      log,
      blob: () => Promise.reject(new Failure('blob_missing', 'no edge in this test')),
      onRolledBack: this.rolledBack,
      awaitsResync: () => this.awaitsResync,
      onChange: () => {},
      onLeaseLost: this.leaseLost,
    });
  }

  #handlers(): Handlers {
    const hold =
      <T>(result: T) =>
      (body: DeployWorker, context: CommandContext) =>
        new Promise<T>((resolve, reject) => {
          this.begun.push(body.commandId);
          context.signal.addEventListener('abort', () => reject(context.signal.reason), { once: true });
          if (context.signal.aborted) reject(context.signal.reason);
          const succeed = () => resolve(result);
          this.held.set(body.commandId, { id: body.commandId, context, succeed, fail: reject });
        });
    return { deploy_worker: hold(RESULT), update_config: (body) => this.applied(body) };
  }

  accept(...bodies: CommandBody[]): void {
    for (const body of bodies) {
      this.#positions++;
      this.store.sql.transaction(() => this.runner.accept(body, { logId: 'log-edge', seq: this.#positions }));
    }
    this.runner.wake();
  }

  cancel(n: number, reason: string): void {
    this.store.sql.transaction(() => this.runner.cancel(idOf(n), reason));
    this.runner.wake();
  }

  /** Lets promises and deferred tasks run. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      this.clock.flush();
    }
  }

  async end(n: number, how: (held: Held) => void): Promise<void> {
    const held = this.held.get(idOf(n));
    if (held === undefined) throw new Error(`command ${n} does not run`);
    how(held);
    await this.settle();
  }

  /** What the edge is told, as `<n> <milestone or state>`. */
  told(): string[] {
    return this.entries().map((entry) => {
      if (entry.type === 'sync_event' || entry.type === 'dead_letter') return entry.type;
      const what = entry.type === 'command_progress' ? entry.milestone : entry.state;
      return `${Number(entry.commandId.slice(-4))} ${what}`;
    });
  }

  entries(): EntryToEdge[] {
    return this.store.sql.run('SELECT body FROM log_outbox ORDER BY seq').map((row) => {
      const decoded = edgeCodec.decodeEntry(String(row['body']));
      if ('error' in decoded) throw new Error(decoded.error);
      return decoded.body;
    });
  }
}

let dir: string;
let processes: Process[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'runner-'));
  processes = [];
});
afterEach(() => {
  for (const { store } of processes) store.close();
  rmSync(dir, { recursive: true });
});

async function boot(): Promise<Process> {
  const booted = new Process(dir);
  processes.push(booted);
  booted.runner.start();
  await booted.settle();
  return booted;
}

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
    process.accept(deploy(1, 'a'), deploy(2, 'a', { expiresAt: expiresAt + 10 }), deploy(3, 'a'));
    process.cancel(3, 'not needed');
    await process.settle();
    process.clock.pass(10);
    await process.end(1, (held) => held.succeed());
    expect(process.begun).toEqual([idOf(1)]);
    expect(process.told()).toEqual(['1 running', '1 succeeded', '2 expired', '3 cancelled']);
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
      '3 running',
      '4 cancelled',
      '5 running',
      '5 succeeded',
    ]);
    expect(process.applied.mock.calls.map(([{ generation }]) => generation)).toEqual([5]);
  });
});

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
    expect(process.told()).toEqual(['1 running', '1 succeeded', '2 running']);
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
    expect(second.told()).toEqual(['1 running', '1 resumed', '1 succeeded', '2 running']);
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
    expect(second.begun).toEqual([]);
    expect(second.told()).toEqual(['1 running', '1 failed']);
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
    expect(first.told()).toEqual(['1 running', '2 running', '1 succeeded']);
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
