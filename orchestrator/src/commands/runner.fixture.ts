/** A process that carries out commands over a folder of its own, with handlers that end when a test says so. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DeployWorker,
  EMPTY_CONFIG,
  type EntryToEdge,
  edgeCodec,
  Failure,
  Outbox,
  type RollbackWorker,
  type UpdateConfig,
} from '@clawdbot/protocol';
import { afterEach, beforeEach, vi } from 'vitest';
import { ManualClock } from '../clock.fixture.ts';
import { recordingLogger } from '../log.fixture.ts';
import { openStore, type Store } from '../store/index.ts';
import type { CommandContext, Handlers } from './handler.ts';
import { Runner } from './runner.ts';
import type { CommandBody, Deployment } from './table.ts';

export const RESULT = {
  deploymentId: 'd',
  versionId: 'v',
  url: 'http://w',
  proof: 'accepted',
  receipts: { intended: { at: 1 } },
} as const;
export const idOf = (n: number): string => `cmd_vps-1_${String(n).padStart(22, '0')}`;

export const deploy = (n: number, name: string, more: Partial<DeployWorker> = {}): DeployWorker => ({
  type: 'deploy_worker',
  commandId: idOf(n),
  siteId: 'site-1',
  name,
  mainModule: 'index.js',
  compatibilityDate: '2026-01-01',
  modules: [{ path: 'index.js', sha256: 'a'.repeat(64), bytes: 1 }],
  ...more,
});
export const rollback = (n: number, name: string): RollbackWorker => ({
  type: 'rollback_worker',
  commandId: idOf(n),
  siteId: 'site-1',
  name,
});
export const config = (n: number, siteId: string): UpdateConfig => ({
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
export class Process {
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
      secret: () => Promise.reject(new Failure('secret_missing', 'no edge in this test')),
      tallies: async () => [],
      onRolledBack: this.rolledBack,
      awaitsResync: () => this.awaitsResync,
      onChange: () => {},
      onLeaseLost: this.leaseLost,
    });
  }

  #handlers(): Handlers {
    const hold =
      <T>(result: T) =>
      ({ commandId }: Deployment, context: CommandContext) =>
        new Promise<T>((resolve, reject) => {
          this.begun.push(commandId);
          context.signal.addEventListener('abort', () => reject(context.signal.reason), { once: true });
          if (context.signal.aborted) reject(context.signal.reason);
          const succeed = () => resolve(result);
          this.held.set(commandId, { id: commandId, context, succeed, fail: reject });
        });
    return {
      deploy_worker: hold(RESULT),
      rollback_worker: hold(RESULT),
      adopt_worker: hold(RESULT),
      update_config: (body) => this.applied(body),
    };
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
      if (!('commandId' in entry)) return entry.type;
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

/** Each test of the file that says so boots processes of its own. */
export function ownProcesses(): void {
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'runner-'));
    processes = [];
  });
  afterEach(() => {
    for (const { store } of processes) store.close();
    rmSync(dir, { recursive: true });
  });
}

export async function boot(): Promise<Process> {
  const booted = new Process(dir);
  processes.push(booted);
  booted.runner.start();
  await booted.settle();
  return booted;
}
