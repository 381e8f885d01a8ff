import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Inbox, type LogName, Outbox, PROTOCOL_VERSIONS, type Status } from '@clawdbot/protocol';
import manifest from '../package.json' with { type: 'json' };
import { systemClock as clock } from './clock.ts';
import { Runner } from './commands/index.ts';
import { type Config, readConfig } from './config.ts';
import { createDeployer } from './deploy/index.ts';
import { dispatch } from './dispatch.ts';
import { createHttp, createSelf, listCommands, listen } from './http/index.ts';
import { type Identity, loadIdentity, signChannelToken } from './identity.ts';
import { DeadLetters, InboxLoop } from './inbox/index.ts';
import { type Orchestrator, runProcess } from './lifecycle.ts';
import { Backoff, createDial, DurableLog, DurableLogs, Link, Losses, Resync } from './link/index.ts';
import { createLogger, type Logger } from './log.ts';
import { createMetrics } from './metrics.ts';
import { assertPortFree } from './port.ts';
import { createRelay, type Relay } from './relay/index.ts';
import { createSettings } from './settings/index.ts';
import { createReporter, watchTunnel } from './status/index.ts';
import {
  awaitsResync,
  DATABASE_FILE,
  endRestore,
  explainDisk,
  freeBytes,
  openStore,
  StorageHealth,
} from './store/index.ts';
import { createLook, Events, HealthWatch, machineChecks, needsOf, SharedTables } from './sync/index.ts';
import { Upkeep } from './upkeep.ts';

/** What a stop gives to running commands and to open calls, at the same time. */
const COMMANDS_GRACE_MS = 4_000;
const CALLS_GRACE_MS = 7_000;

const { now } = clock;
const { version } = manifest;

/** What lies under every room: the store with its logs, who we are, and what has been configured and deployed. */
function layGround(config: Config, log: Logger) {
  const { dataDir } = config;
  const storage = new StorageHealth({ clock, log, dataDir, freeBytes });
  const store = openStore(dataDir, config.orchestratorId, storage);
  const { sql } = store;
  const newLogId = () => `log_${randomUUID()}`;
  const outboxOf = (name: LogName) => new Outbox({ sql, log: name, now, newLogId, lazyPositions: true });
  const outboxes = { control: outboxOf('control'), queue: outboxOf('queue') };
  const inboxes = { control: new Inbox(sql, 'control'), queue: new Inbox(sql, 'queue') };
  const outbox = outboxes.control;
  const queues = (): Status['queues'] => {
    const [control, queue] = [inboxes.control.depth(), inboxes.queue.depth()];
    return {
      inbox: control.pending + queue.pending,
      outbox: outbox.depth + outboxes.queue.depth,
      deadLetters: control.dead + queue.dead,
    };
  };
  const events = new Events({ sql, outbox, now, random: randomBytes });
  const settings = createSettings({ sql, now, allow: config.upstreamAllow, events });
  const siteVars = (siteId: string) => settings.configOf(siteId)?.worker.vars ?? {};
  return {
    config,
    log,
    store,
    storage,
    sql,
    outboxes,
    outbox,
    inboxes,
    queues,
    losses: new Losses(sql, now, log),
    identity: loadIdentity(config.keyFile),
    settings,
    events,
    shared: new SharedTables(sql),
    deployer: createDeployer({ sql, cloudflare: config.cloudflare, now, siteVars, events }),
    /** Aborted at the very end: whatever watches something stops. */
    stopped: new AbortController(),
  };
}
type Ground = ReturnType<typeof layGround>;

/** Every dial signs a token of its own (PROTOCOL D3). */
function createChannelDial({ orchestratorId, edgeUrl, access }: Config, identity: Identity, lane: number) {
  const token = () => signChannelToken(identity, { orchestratorId, lane, now: now(), jti: randomUUID() });
  const accessHeaders =
    access === undefined
      ? {}
      : { 'CF-Access-Client-Id': access.clientId, 'CF-Access-Client-Secret': access.clientSecret };
  const headers = () => ({ authorization: `Bearer ${token()}`, ...accessHeaders });
  return createDial({ edgeUrl, lane, headers });
}

/**
 * The rooms, and the doors between them. An entry goes link → inbox → dispatch → commands → deploy or settings,
 * and what became of it back through the outbox; a call goes link → relay → upstream, or our own HTTP API.
 */
class Rooms {
  readonly #ground: Ground;
  readonly #logs: DurableLogs;
  readonly #link: Link;
  readonly #reporter: ReturnType<typeof createReporter>;
  readonly #metrics: ReturnType<typeof createMetrics>;
  readonly #runner: Runner;
  readonly #letters: DeadLetters;
  readonly #entries: InboxLoop;
  readonly #app: ReturnType<typeof createHttp>;
  readonly #relay: Relay;
  readonly #handleCall: Relay['handle'];
  readonly #health: HealthWatch;

  constructor(ground: Ground) {
    this.#ground = ground;
    const { log, settings, config } = ground;
    this.#logs = new DurableLogs(this.#createLog('control'), this.#createLog('queue'));
    this.#link = this.#createLink();
    this.#reporter = this.#createReporter();
    this.#metrics = createMetrics({
      queues: ground.queues,
      rttMs: () => this.#link.rttMs,
      callsOpen: () => this.#link.callsOpen,
      channel: this.#link.state,
      storage: () => ground.storage.value,
    });
    this.#runner = this.#createRunner();
    this.#letters = this.#createLetters();
    this.#entries = this.#createInboxLoop();
    this.#app = this.#createHttp();
    this.#relay = createRelay({ settings, allow: config.upstreamAllow, self: createSelf(this.#app), log });
    this.#handleCall = this.#metrics.countCalls((call) => this.#relay.handle(call));
    this.#health = this.#createHealthWatch();
    this.#link.state.subscribe((state) => state.kind === 'refused' && this.#halt(new Error(state.reason)));
  }

  async open(): Promise<Orchestrator> {
    const { config, log, outboxes, events, store } = this.#ground;
    const listener = await listen(this.#app, config.port);
    this.#runner.start();
    this.#entries.wake();
    this.#health.start();
    const tasks = [
      () => outboxes.control.compact(),
      () => outboxes.queue.compact(),
      () => this.#runner.prune(),
      () => this.#letters.tell(),
      () => this.#drainEvents(),
      () => events.prune(),
    ];
    const upkeep = new Upkeep({ clock, log, tasks, onLeaseLost: this.#halt });
    const linkOver = this.#link.runUntilStopped();
    const { orchestratorId } = config;
    log.info('the orchestrator runs', {
      orchestratorId,
      version,
      generation: store.generation,
      http: listener.url,
    });
    return {
      stop: async () => {
        this.#entries.stop();
        await Promise.all([this.#runner.stop(COMMANDS_GRACE_MS), this.#link.stop(CALLS_GRACE_MS)]);
        await Promise.all([linkOver, this.#health.stop()]);
        upkeep.stop();
        this.#ground.stopped.abort();
        await Promise.all([listener.close(), this.#relay.close()]);
        store.close();
      },
    };
  }

  /** A newer process has taken over, or the edge has refused this one: it does nothing more. */
  readonly #halt = (error: Error): void => {
    this.#entries.stop();
    void this.#health.stop();
    this.#runner.halt(error);
    this.#link.refuse(error.message);
  };

  /** Those that found the log full. */
  #drainEvents(): void {
    if (this.#ground.events.drain() > 0) this.#logs.wake();
  }

  #createLog(name: LogName): DurableLog {
    const { sql, inboxes, outboxes, log, losses, config } = this.#ground;
    return new DurableLog({
      name,
      sql,
      inbox: inboxes[name],
      outbox: outboxes[name],
      file: join(config.dataDir, DATABASE_FILE),
      clock,
      log,
      onCommitted: () => this.#entries.wake(),
      onEmptied: () => this.#link.publishStatus(),
      lose: (ranges) => losses.record(ranges),
    });
  }

  #createResync(): Resync {
    const { sql, log, losses } = this.#ground;
    return new Resync({
      sql,
      clock,
      log,
      finish: (commandIds) => this.#runner.finish(commandIds),
      lose: (ranges) => losses.record(ranges),
      complete: () => endRestore(sql),
      onComplete: () => this.#runner.wake(),
    });
  }

  #createLink(): Link {
    const { config, identity, settings, store, sql, log } = this.#ground;
    const { orchestratorId, lanes } = config;
    const instanceId = randomUUID();
    return new Link({
      dial: createChannelDial(config, identity, 0),
      backoff: new Backoff({ random: Math.random, now }),
      clock,
      log,
      logs: this.#logs,
      resync: this.#createResync(),
      services: {
        request: (call) => this.#handleCall(call),
        report: (siteId) => this.#reporter.report(siteId),
      },
      status: () => this.#reporter.status(),
      hello: () => ({
        type: 'hello',
        protocol: [...PROTOCOL_VERSIONS],
        orchestratorId,
        lane: 0,
        lanes,
        generation: store.generation,
        instanceId,
        version,
        capabilities: [],
        clockMs: now(),
        ...(awaitsResync(sql) ? { awaitsResync: true } : {}),
        logs: this.#logs.positions(),
        sites: settings.running(),
      }),
    });
  }

  #createReporter() {
    const { config, queues, deployer, settings, storage, losses, stopped } = this.#ground;
    return createReporter({
      orchestratorId: config.orchestratorId,
      version,
      lanes: config.lanes,
      now,
      startedAt: now(),
      channel: () => this.#link.state.value,
      rttMs: () => this.#link.rttMs,
      queues,
      workers: (siteId) => deployer.workers(siteId),
      settings,
      tunnel: watchTunnel({ signal: stopped.signal }),
      storage: () => storage.value,
      lost: () => losses.value,
    });
  }

  #createRunner(): Runner {
    const { config, sql, outbox, log, deployer, settings } = this.#ground;
    return new Runner({
      orchestratorId: config.orchestratorId,
      sql,
      outbox,
      handlers: this.#metrics.countCommands({
        deploy_worker: (body, context) => deployer.deploy(body, context),
        update_config: (body) => settings.apply(body),
      }),
      clock,
      edgeNow: () => this.#link.edgeNow,
      random: randomBytes,
      log,
      blob: (ref, signal) => this.#link.blob(ref, signal),
      onRolledBack: () => settings.reload(),
      awaitsResync: () => awaitsResync(sql),
      onChange: () => {
        this.#logs.wake();
        this.#link.publishStatus();
      },
      onLeaseLost: this.#halt,
    });
  }

  #createLetters(): DeadLetters {
    const { sql, inboxes, outbox, log } = this.#ground;
    const onChange = () => {
      this.#entries.wake();
      this.#logs.wake();
      this.#link.publishStatus();
    };
    return new DeadLetters({ sql, inboxes, outbox, now, log, onChange });
  }

  #createInboxLoop(): InboxLoop {
    const { sql, inboxes, log, settings, shared } = this.#ground;
    const publishStatus = () => this.#link.publishStatus();
    const rooms = { commands: this.#runner, settings, shared, letters: this.#letters, publishStatus };
    return new InboxLoop({
      sql,
      inboxes,
      letters: this.#letters,
      dispatch: (entry, item) => dispatch(entry, item, rooms),
      clock,
      log,
      onDispatched: () => this.#runner.wake(),
      onLeaseLost: this.#halt,
    });
  }

  #createHealthWatch(): HealthWatch {
    const { config, sql, events, settings, log } = this.#ground;
    return new HealthWatch({
      clock,
      random: Math.random,
      log,
      sql,
      events,
      sites: () => needsOf(settings),
      machine: () => machineChecks(this.#reporter.health()),
      look: createLook(config.upstreamAllow),
      onRecorded: () => this.#logs.wake(),
      onLeaseLost: this.#halt,
    });
  }

  #createHttp() {
    const { identity, config, sql, events, shared, log } = this.#ground;
    return createHttp({
      identity,
      orchestratorId: config.orchestratorId,
      now,
      reporter: this.#reporter,
      metrics: this.#metrics,
      deploy: (body, modules) => this.#runner.submitLocal(body, modules),
      commands: (limit) => listCommands(sql, limit),
      letters: this.#letters,
      events,
      shared,
      log,
    });
  }
}

runProcess({
  readConfig: () => readConfig(process.env),
  createLogger: ({ logLevel, production, secrets }) => createLogger({ level: logLevel, production, secrets }),
  start: async (config, log) => {
    await assertPortFree(config.port);
    return new Rooms(explainDisk(config.dataDir, () => layGround(config, log))).open();
  },
});
