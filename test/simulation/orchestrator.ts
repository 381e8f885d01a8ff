import type { RowChanged, Sql } from '@clawdbot/protocol';
import { systemClock as clock } from '../../orchestrator/src/clock.ts';
import { Core } from '../../orchestrator/src/core.ts';
import { type Ground, layGround } from '../../orchestrator/src/ground.ts';
import type { Dial } from '../../orchestrator/src/link/index.ts';
import { parseAllow } from '../../orchestrator/src/relay/allow.ts';
import { continueLogs, createSql, migrate, takeOver } from '../../orchestrator/src/store/index.ts';
import { Upkeep } from '../../orchestrator/src/upkeep.ts';
import type { Cloudflare } from './cloudflare.ts';
import { type Image, MemoryDatabase } from './database.ts';
import type { Claims, EdgeMachine } from './edge/machine.ts';
import type { Connection } from './network.ts';
import type { Trace } from './trace.ts';
import { Process, type World } from './world.ts';

export const ORCHESTRATOR = 'vps';
export const ORG = 'agency';

/** Serves one VPS after another. */
const db = new MemoryDatabase();
migrate(createSql(db.asBetterSqlite));
const EMPTY = db.image();

interface Running {
  readonly process: Process;
  readonly ground: Ground;
  readonly core: Core;
}

export interface OrchestratorOptions {
  readonly world: World;
  readonly edge: EdgeMachine;
  readonly cloudflare: Cloudflare;
  readonly trace: Trace;
  /** Whether taking over a shared row fails this time. */
  readonly rowFails: (row: RowChanged) => boolean;
  /** A rule was broken while the machines ran. */
  readonly accuse: (what: string) => void;
}

/** The VPS: its disk, and the processes that run on it. */
export class OrchestratorMachine {
  readonly #options: OrchestratorOptions;
  #processes: Process[] = [];
  #newest: Running | undefined;
  /** Whose the database is. */
  #owner: Process | undefined;
  #boots = 0;
  #connections: Connection[] = [];
  #tokens = 0;

  constructor(options: OrchestratorOptions) {
    this.#options = options;
    db.load(EMPTY);
  }

  /** The process that was started last, if it has power. */
  get newest(): Running | undefined {
    return this.#newest?.process.alive ? this.#newest : undefined;
  }

  /** For the oracle: reads what is committed. */
  read(text: string, ...params: unknown[]): Record<string, unknown>[] {
    return db.rows(text, ...params);
  }

  /** Copies the database, as `clawctl backup` does. */
  backup(): Image {
    return db.image();
  }

  /** What `clawctl restore` does behind its files, with no process running. */
  restore(image: Image, standing: { generation: number; peerLogId?: string }): void {
    db.load(image);
    const sql = createSql(db.asBetterSqlite);
    const newLogId = () => crypto.randomUUID();
    sql.transaction(() => continueLogs(sql, { ...standing, newLogId, now: Date.now }));
  }

  /** The disk is gone, and there is no backup. */
  erase(): void {
    db.load(EMPTY);
  }

  /** A token that opens one connection, or answers one question. */
  claims(): Claims {
    const exp = Math.floor(this.#options.world.now / 1_000) + 60;
    const jti = `token-${String(++this.#tokens).padStart(6, '0')}`;
    return { orchestratorId: ORCHESTRATOR, orgId: ORG, lane: 0, lanes: 1, sharers: 1, jti, exp, kid: 'key' };
  }

  get processes(): readonly Process[] {
    return this.#processes;
  }

  get connections(): readonly Connection[] {
    return this.#connections.filter((connection) => !connection.isClosed('a') || !connection.isClosed('b'));
  }

  /** Starts a process on this disk; one that runs already has met its successor. */
  boot(): void {
    const { world, trace } = this.#options;
    const process = new Process(`orchestrator ${++this.#boots}`);
    trace.note(`${process.name} boots`);
    this.#processes.push(process);
    world.after(0, () => this.#open(process), process);
  }

  /** Ends the processes where they are; what was not committed is gone. */
  cutPower(): void {
    for (const process of this.#processes) process.alive = false;
    this.#processes = [];
    for (const connection of this.#connections) connection.cut();
    this.#connections = [];
  }

  /** A process that died by itself (its database threw a power cut) is buried. @returns whether there was one */
  bury(): boolean {
    if (this.#processes.every(({ alive }) => alive)) return false;
    this.cutPower();
    return true;
  }

  #open(process: Process): void {
    const { edge, cloudflare, trace, world, rowFails } = this.#options;
    const opened = takeOver(db.asBetterSqlite, ORCHESTRATOR);
    this.#owner = process;
    const log = trace.logger(process.name);
    const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
    const ground = layGround({
      store: { ...opened, sql: this.#watched(powered(opened.sql, process), process) },
      clock,
      random,
      log,
      allow: parseAllow('http://127.0.0.1:*'),
      newLogId: () => crypto.randomUUID(),
    });
    const { settings, shared } = ground;
    const apply = shared.apply.bind(shared);
    shared.apply = (row) => {
      if (rowFails(row)) throw new Error('the simulation says so');
      apply(row);
    };
    const core = new Core({
      ground,
      orchestratorId: ORCHESTRATOR,
      dataDir: '/simulated',
      lanes: 1,
      version: '0',
      instanceId: crypto.randomUUID(),
      clock,
      random,
      jitter: () => world.random.next(),
      log,
      dial: () => this.#dial(edge),
      handlers: {
        deploy_worker: cloudflare.deploy,
        rollback_worker: refuse,
        adopt_worker: refuse,
        update_config: (body) => settings.apply(body),
      },
      releaseWorkers: () => {},
      onApiBudget: () => {},
      services: { request: refuse, report: refuse },
      status: () => ({
        type: 'status',
        at: clock.now(),
        version: '0',
        uptimeS: 0,
        memory: { rssBytes: 0, heapUsedBytes: 0 },
        queues: { inbox: 0, outbox: 0, deadLetters: 0 },
        sites: settings.statuses(),
        workers: [],
        tunnel: { state: 'not_configured' },
      }),
      onHalt: () => trace.note(`${process.name} halts`),
    });
    this.#newest = { process, ground, core };
    const upkeep = new Upkeep({ clock, log, tasks: core.upkeep, onLeaseLost: core.halt });
    trace.note(`${process.name} has generation ${opened.generation}`);
    void core.run().then(() => upkeep.stop());
  }

  /** Only the newest process may commit anything. */
  #watched(sql: Sql, process: Process): Sql {
    const check = () => {
      if (this.#owner !== process)
        this.#options.accuse(`${process.name} committed when ${this.#owner?.name} had taken over`);
    };
    return {
      run: (text, ...params) => {
        const rows = sql.run(text, ...params);
        if (!db.inTransaction && WRITES.test(text)) check();
        return rows;
      },
      transaction: (work) => {
        const outermost = !db.inTransaction;
        const result = sql.transaction(work);
        if (outermost) check();
        return result;
      },
    };
  }

  /** What goes to the edge as taken must be on the disk. */
  #acknowledges(message: string): void {
    if (!message.includes('"ack"')) return;
    const frames: { type: string; log: string; applied: number }[] = JSON.parse(message); // Our own frames.
    for (const { type, log, applied } of frames) {
      if (type !== 'ack') continue;
      const [row] = this.read(`SELECT acked FROM log_state WHERE log = ? AND direction = 'in'`, log);
      if (db.inTransaction || Number(row?.['acked'] ?? 0) < applied)
        this.#options.accuse(`the VPS acknowledged ${applied} of ${log} and has committed ${row?.['acked']}`);
    }
  }

  /** As the product's own dial, over the simulated network. */
  #dial(edge: EdgeMachine): Dial {
    const { world } = this.#options;
    return async () => {
      const owner = world.current;
      const outcome = await edge.upgrade(this.claims());
      if (outcome === 'lost' || outcome === 'refused') {
        return { verdict: { after: 'retry', reason: `the dial was ${outcome}` } };
      }
      this.#connections.push(outcome);
      const later = (task: () => void) => world.after(0, task, owner);
      return {
        socket: {
          wire: {
            sendText: (text) => {
              this.#acknowledges(text);
              outcome.send('a', text);
            },
            sendBytes: (bytes, sent) => {
              outcome.send('a', Uint8Array.from(bytes));
              sent?.();
            },
            close: (code, reason) => (code === 1006 ? outcome.cut() : outcome.close('a', code, reason)),
          },
          listen: (receiver) =>
            outcome.attach('a', {
              onGone: () => {},
              onMessage: (message) =>
                outcome.isClosed('a') ||
                later(() => {
                  if (typeof message === 'string') receiver.receiveText(message);
                  else receiver.receiveBytes(message);
                }),
              onClose: (code, reason) => later(() => receiver.closed(code, reason)),
            }),
        },
      };
    };
  }
}

/** A database whose machine may lose power before any statement, and before a commit. */
const powered = (sql: Sql, process: Process): Sql => ({
  run(text, ...params) {
    process.spend();
    return sql.run(text, ...params);
  },
  transaction: (work) =>
    sql.transaction(() => {
      const result = work();
      process.spend();
      return result;
    }),
});

const WRITES = /^\s*(INSERT|UPDATE|DELETE)/;

const refuse = () => Promise.reject(new Error('the simulation makes no calls'));
