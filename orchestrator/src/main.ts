import { randomBytes, randomUUID } from 'node:crypto';
import manifest from '../package.json' with { type: 'json' };
import { systemClock as clock } from './clock.ts';
import { type Config, readConfig } from './config.ts';
import { Core } from './core.ts';
import { createDeployer } from './deploy/index.ts';
import { layGround } from './ground.ts';
import { createHttp, createSelf, listCommands, listen } from './http/index.ts';
import { type Identity, loadIdentity, signChannelToken } from './identity.ts';
import { type Orchestrator, runProcess } from './lifecycle.ts';
import { createDial } from './link/index.ts';
import { createLogger, type Logger } from './log.ts';
import { createMetrics } from './metrics.ts';
import { assertPortFree } from './port.ts';
import { createRelay, type Relay } from './relay/index.ts';
import { scheduleRounds } from './rounds.ts';
import { createReporter, watchTunnel } from './status/index.ts';
import { explainDisk, freeBytes, openStore, StorageHealth } from './store/index.ts';
import { createLook, HealthWatch, machineChecks, needsOf } from './sync/index.ts';
import { Upkeep } from './upkeep.ts';
import { Uptime, visit } from './uptime/index.ts';

/** What a stop gives to running commands and to open calls, at the same time. */
const GRACE = { commandsMs: 4_000, callsMs: 7_000 };

const { now } = clock;
const { version } = manifest;

/** Opens the database, and what lies under every room; what it throws names the folder and what to do. */
function openGround(config: Config, log: Logger) {
  const { dataDir, orchestratorId, upstreamAllow, cloudflare, keyFile } = config;
  return explainDisk(dataDir, () => {
    const storage = new StorageHealth({ clock, log, dataDir, freeBytes });
    const store = openStore(dataDir, orchestratorId, storage);
    const newLogId = () => `log_${randomUUID()}`;
    const ground = layGround({ store, clock, random: randomBytes, log, allow: upstreamAllow, newLogId });
    const { sql, events, settings } = ground;
    const siteVars = (siteId: string) => settings.configOf(siteId)?.worker.vars ?? {};
    const deployer = createDeployer({ sql, cloudflare, now, siteVars, events, log });
    const workers = (siteId?: string) => deployer.workers(siteId);
    return {
      ...ground,
      config,
      log,
      storage,
      identity: loadIdentity(keyFile),
      deployer,
      uptime: new Uptime({ clock, log, sql, events, workers, visit }),
      /** Aborted at the very end: whatever watches something stops. */
      stopped: new AbortController(),
    };
  });
}
type Opened = ReturnType<typeof openGround>;

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
 * The rooms, and the doors between them. What is durable goes through the core (`core.ts`); a call goes
 * link → relay → upstream, or our own HTTP API.
 */
class Rooms {
  readonly #ground: Opened;
  readonly #core: Core;
  readonly #reporter: ReturnType<typeof createReporter>;
  readonly #metrics: ReturnType<typeof createMetrics>;
  readonly #app: ReturnType<typeof createHttp>;
  readonly #relay: Relay;
  readonly #handleCall: Relay['handle'];
  readonly #health: HealthWatch;

  constructor(ground: Opened) {
    this.#ground = ground;
    const { log, settings, config, queues, storage } = ground;
    this.#metrics = createMetrics({
      queues,
      rttMs: () => this.#core.link.rttMs,
      callsOpen: () => this.#core.lanes.callsOpen,
      lanesOpen: () => this.#core.lanes.open,
      storage: () => storage.value,
    });
    this.#core = this.#createCore();
    this.#metrics.watch(this.#core.link.state);
    this.#reporter = this.#createReporter();
    this.#app = this.#createHttp();
    this.#relay = createRelay({ settings, allow: config.upstreamAllow, self: createSelf(this.#app), log });
    this.#handleCall = this.#metrics.countCalls((call) => this.#relay.handle(call));
    this.#health = this.#createHealthWatch();
  }

  async open(): Promise<Orchestrator> {
    const { config, log, store } = this.#ground;
    const listener = await listen(this.#app, config.port);
    const over = this.#core.run();
    this.#health.start();
    const stopRounds = this.#scheduleRounds();
    const upkeep = new Upkeep({ clock, log, tasks: this.#core.upkeep, onLeaseLost: this.#core.halt });
    const { orchestratorId } = config;
    const { generation } = store;
    log.info('the orchestrator runs', { orchestratorId, version, generation, http: listener.url });
    return {
      stop: async () => {
        await this.#core.stop(GRACE);
        await Promise.all([over, this.#health.stop(), stopRounds()]);
        upkeep.stop();
        this.#ground.stopped.abort();
        await Promise.all([listener.close(), this.#relay.close()]);
        store.close();
      },
    };
  }

  #scheduleRounds(): () => Promise<void> {
    const { deployer, uptime, log, config } = this.#ground;
    const drift = { name: 'drift', look: (signal: AbortSignal) => deployer.checkDrift(signal) };
    const health = { name: 'health', look: (signal: AbortSignal) => uptime.check(signal) };
    const onTold = () => {
      this.#core.wake();
      this.#core.link.publishStatus();
    };
    return scheduleRounds([drift, health], {
      ...{ minutes: config.watchMinutes, log, onTold },
      onLeaseLost: this.#core.halt,
    });
  }

  #createCore(): Core {
    const { config, identity, log, deployer, settings } = this.#ground;
    const { orchestratorId, dataDir, lanes } = config;
    return new Core({
      ground: this.#ground,
      orchestratorId,
      dataDir,
      lanes,
      version,
      instanceId: randomUUID(),
      clock,
      random: randomBytes,
      jitter: Math.random,
      log,
      dial: (lane) => createChannelDial(config, identity, lane),
      handlers: this.#metrics.countCommands({
        deploy_worker: (body, context) => deployer.deploy(body, context),
        rollback_worker: (body, context) => deployer.rollback(body, context),
        adopt_worker: (body, context) => deployer.adopt(body, context),
        update_config: (body) => settings.apply(body),
      }),
      releaseWorkers: (siteId, isMoved) => deployer.release(siteId, isMoved),
      onApiBudget: ({ calls, windowS }) => deployer.share({ calls, windowMs: windowS * 1_000 }),
      services: {
        request: (call) => this.#handleCall(call),
        report: (siteId) => this.#reporter.report(siteId),
      },
      status: () => this.#reporter.status(),
      onHalt: () => void this.#health.stop(),
    });
  }

  #createReporter() {
    const { config, queues, uptime, settings, storage, losses, stopped } = this.#ground;
    return createReporter({
      orchestratorId: config.orchestratorId,
      version,
      lanes: config.lanes,
      otherLanes: () => this.#core.lanes.others,
      now,
      startedAt: now(),
      channel: () => this.#core.link.state.value,
      rttMs: () => this.#core.link.rttMs,
      queues,
      workers: (siteId) => uptime.workers(siteId),
      checks: (worker) => uptime.checks(worker),
      settings,
      tunnel: watchTunnel({ signal: stopped.signal }),
      storage: () => storage.value,
      lost: () => losses.value,
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
      onRecorded: () => this.#core.wake(),
      onLeaseLost: this.#core.halt,
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
      deploy: (body, modules) => this.#core.runner.submitLocal(body, modules),
      commands: (limit) => listCommands(sql, limit),
      letters: this.#core.letters,
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
    return new Rooms(openGround(config, log)).open();
  },
});
