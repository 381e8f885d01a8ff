import { randomBytes, randomUUID } from 'node:crypto';
import { Inbox, Outbox, PROTOCOL_VERSIONS, type Status } from '@clawdbot/protocol';
import manifest from '../package.json' with { type: 'json' };
import { systemClock as clock } from './clock.ts';
import { Runner } from './commands/index.ts';
import { type Config, readConfig } from './config.ts';
import { createDeployer } from './deploy/index.ts';
import { dispatch } from './dispatch.ts';
import { createHttp, createSelf, listCommands, listen } from './http/index.ts';
import { type Identity, loadIdentity, signChannelToken } from './identity.ts';
import { InboxLoop } from './inbox/index.ts';
import { type Orchestrator, runProcess } from './lifecycle.ts';
import { Backoff, ControlLog, createDial, Link } from './link/index.ts';
import { createLogger, type Logger } from './log.ts';
import { createMetrics } from './metrics.ts';
import { assertPortFree } from './port.ts';
import { createRelay, type Relay } from './relay/index.ts';
import { createSettings } from './settings/index.ts';
import { createReporter, watchTunnel } from './status/index.ts';
import { openStore } from './store/index.ts';
import { Upkeep } from './upkeep.ts';

/** What a stop gives to running commands and to open calls, at the same time. */
const COMMANDS_GRACE_MS = 4_000;
const CALLS_GRACE_MS = 7_000;

const { now } = clock;
const { version } = manifest;

/** What lies under every room: the store with its logs, who we are, and what has been configured and deployed. */
function layGround(config: Config, log: Logger) {
  const store = openStore(config.dataDir, config.orchestratorId);
  const { sql } = store;
  const outbox = new Outbox({ sql, log: 'control', now, newLogId: () => `log_${randomUUID()}` });
  const inbox = new Inbox(sql, 'control');
  const queues = (): Status['queues'] => {
    const { pending, dead } = inbox.depth();
    return { inbox: pending, outbox: outbox.depth, deadLetters: dead };
  };
  const settings = createSettings({ sql, now, allow: config.upstreamAllow });
  const siteVars = (siteId: string) => settings.configOf(siteId)?.worker.vars ?? {};
  return {
    config,
    log,
    store,
    sql,
    outbox,
    inbox,
    queues,
    identity: loadIdentity(config.keyFile),
    settings,
    deployer: createDeployer({ sql, cloudflare: config.cloudflare, now, siteVars }),
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
  readonly #control: ControlLog;
  readonly #link: Link;
  readonly #reporter: ReturnType<typeof createReporter>;
  readonly #metrics: ReturnType<typeof createMetrics>;
  readonly #runner: Runner;
  readonly #entries: InboxLoop;
  readonly #app: ReturnType<typeof createHttp>;
  readonly #relay: Relay;
  readonly #handleCall: Relay['handle'];

  constructor(ground: Ground) {
    this.#ground = ground;
    const { outbox, inbox, log, settings, config } = ground;
    this.#control = new ControlLog({
      inbox,
      outbox,
      clock,
      log,
      onCommitted: () => this.#entries.wake(),
      onEmptied: () => this.#link.publishStatus(),
    });
    this.#link = this.#createLink();
    this.#reporter = this.#createReporter();
    this.#metrics = createMetrics({
      queues: ground.queues,
      rttMs: () => this.#link.rttMs,
      callsOpen: () => this.#link.callsOpen,
      channel: this.#link.state,
    });
    this.#runner = this.#createRunner();
    this.#entries = this.#createInboxLoop();
    this.#app = this.#createHttp();
    this.#relay = createRelay({ settings, allow: config.upstreamAllow, self: createSelf(this.#app), log });
    this.#handleCall = this.#metrics.countCalls((call) => this.#relay.handle(call));
    this.#link.state.subscribe((state) => state.kind === 'refused' && this.#halt(new Error(state.reason)));
  }

  async open(): Promise<Orchestrator> {
    const { config, log, outbox, store } = this.#ground;
    const listener = await listen(this.#app, config.port);
    this.#runner.start();
    this.#entries.wake();
    const tasks = [() => outbox.compact(), () => this.#runner.prune()];
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
        await linkOver;
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
    this.#runner.halt(error);
    this.#link.refuse(error.message);
  };

  #createLink(): Link {
    const { config, identity, settings, store, log } = this.#ground;
    const { orchestratorId, lanes } = config;
    const instanceId = randomUUID();
    return new Link({
      dial: createChannelDial(config, identity, 0),
      backoff: new Backoff({ random: Math.random, now }),
      clock,
      log,
      control: this.#control,
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
        logs: { control: this.#control.positions() },
        sites: settings.running(),
      }),
    });
  }

  #createReporter() {
    const { config, queues, deployer, settings, stopped } = this.#ground;
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
        update_config: (body, { signal }) => settings.apply(body, signal),
      }),
      clock,
      edgeNow: () => this.#link.edgeNow,
      random: randomBytes,
      log,
      blob: (ref, signal) => this.#link.blob(ref, signal),
      onChange: () => {
        this.#control.wake();
        this.#link.publishStatus();
      },
      onLeaseLost: this.#halt,
    });
  }

  #createInboxLoop(): InboxLoop {
    const { sql, inbox, log, settings } = this.#ground;
    const publishStatus = () => this.#link.publishStatus();
    return new InboxLoop({
      sql,
      inbox,
      dispatch: (entry, item) => dispatch(entry, item, { commands: this.#runner, settings, publishStatus }),
      clock,
      log,
      onDispatched: () => this.#runner.wake(),
      onLeaseLost: this.#halt,
    });
  }

  #createHttp() {
    const { identity, config, sql, log } = this.#ground;
    return createHttp({
      identity,
      orchestratorId: config.orchestratorId,
      now,
      reporter: this.#reporter,
      metrics: this.#metrics,
      deploy: (body, modules) => this.#runner.submitLocal(body, modules),
      commands: (limit) => listCommands(sql, limit),
      log,
    });
  }
}

runProcess({
  readConfig: () => readConfig(process.env),
  createLogger: ({ logLevel, production, secrets }) => createLogger({ level: logLevel, production, secrets }),
  start: async (config, log) => {
    await assertPortFree(config.port);
    return new Rooms(layGround(config, log)).open();
  },
});
