import { randomBytes, randomUUID } from 'node:crypto';
import { Inbox, Outbox, PROTOCOL_VERSIONS, type Status } from '@clawdbot/protocol';
import manifest from '../package.json' with { type: 'json' };
import type { Services } from './calls/index.ts';
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
import { createRelay } from './relay/index.ts';
import { createSettings } from './settings/index.ts';
import { createReporter, watchTunnel } from './status/index.ts';
import { openStore, type Store } from './store/index.ts';
import { Upkeep } from './upkeep.ts';

/** What a stop gives to running commands and to open calls, at the same time. */
const COMMANDS_GRACE_MS = 4_000;
const CALLS_GRACE_MS = 7_000;

/** Both halves of the control log, over the store. */
function openLogs({ sql }: Store) {
  const outbox = new Outbox({ sql, log: 'control', now: clock.now, newLogId: () => `log_${randomUUID()}` });
  const inbox = new Inbox(sql, 'control');
  const queues = (): Status['queues'] => {
    const { pending, dead } = inbox.depth();
    return { inbox: pending, outbox: outbox.depth, deadLetters: dead };
  };
  return { outbox, inbox, queues };
}

/** Every dial signs a token of its own (PROTOCOL D3). */
function createChannelDial({ orchestratorId, edgeUrl, access }: Config, identity: Identity, lane: number) {
  const token = () =>
    signChannelToken(identity, { orchestratorId, lane, now: clock.now(), jti: randomUUID() });
  const accessHeaders =
    access === undefined
      ? {}
      : { 'CF-Access-Client-Id': access.clientId, 'CF-Access-Client-Secret': access.clientSecret };
  const headers = () => ({ authorization: `Bearer ${token()}`, ...accessHeaders });
  return createDial({ edgeUrl, lane, headers });
}

/** Joins the rooms: the link's entries go through inbox and dispatch to the commands, its calls to the relay. */
async function start(config: Config, log: Logger): Promise<Orchestrator> {
  const { orchestratorId, upstreamAllow: allow, lanes } = config;
  const { now } = clock;
  const store = openStore(config.dataDir);
  const { sql, generation } = store;
  const { outbox, inbox, queues } = openLogs(store);
  const identity = loadIdentity(config.keyFile);
  const instanceId = randomUUID();
  const stopped = new AbortController();

  const settings = createSettings({ sql, now, allow });
  const deployer = createDeployer({ sql, cloudflare: config.cloudflare, now });

  const control = new ControlLog({ inbox, outbox, clock, log, onCommitted: () => entries.wake() });
  const services: Services = {
    request: (call) => handleCall(call),
    report: (siteId) => reporter.report(siteId),
  };
  const link = new Link({
    dial: createChannelDial(config, identity, 0),
    backoff: new Backoff({ random: Math.random, now }),
    clock,
    log,
    control,
    services,
    status: () => reporter.status(),
    hello: () => ({
      type: 'hello',
      protocol: [...PROTOCOL_VERSIONS],
      orchestratorId,
      lane: 0,
      lanes,
      generation,
      instanceId,
      version: manifest.version,
      capabilities: [],
      clockMs: now(),
      logs: { control: control.positions() },
      sites: settings.running(),
    }),
  });

  const reporter = createReporter({
    orchestratorId,
    version: manifest.version,
    lanes,
    now,
    startedAt: now(),
    channel: () => link.state.value,
    rttMs: () => link.rttMs,
    queues,
    workers: (siteId) => deployer.workers(siteId),
    settings,
    tunnel: watchTunnel({ signal: stopped.signal }),
  });
  const metrics = createMetrics({
    queues,
    rttMs: () => link.rttMs,
    callsOpen: () => link.callsOpen,
    channel: link.state,
  });

  /** A newer process has taken over, or the edge has refused this one: it does nothing more. */
  const halt = (error: Error): void => {
    entries.stop();
    runner.halt(error);
    link.refuse(error.message);
  };
  link.state.subscribe((state) => state.kind === 'refused' && halt(new Error(state.reason)));

  const runner = new Runner({
    orchestratorId,
    sql,
    outbox,
    handlers: metrics.countCommands({
      deploy_worker: (body, context) => deployer.deploy(body, context),
      update_config: (body) => settings.apply(body),
    }),
    clock,
    random: randomBytes,
    log,
    blob: (ref, signal) => link.blob(ref, signal),
    onChange: () => {
      control.wake();
      link.publishStatus();
    },
    onLeaseLost: halt,
  });
  const entries = new InboxLoop({
    sql,
    inbox,
    dispatch: (entry, item) => dispatch(entry, item, { commands: runner }),
    clock,
    log,
    onDispatched: () => runner.wake(),
    onLeaseLost: halt,
  });

  const app = createHttp({
    identity,
    orchestratorId,
    now,
    reporter,
    metrics,
    deploy: (body, modules) => runner.submitLocal(body, modules),
    commands: (limit) => listCommands(sql, limit),
    log,
  });
  const relay = createRelay({ settings, allow, self: createSelf(app), log });
  const handleCall = metrics.countCalls((call) => relay.handle(call));

  const listener = await listen(app, config.port);
  runner.start();
  entries.wake();
  const upkeep = new Upkeep({
    clock,
    log,
    tasks: [() => outbox.compact(), () => runner.prune()],
    onLeaseLost: halt,
  });
  const linkOver = link.runUntilStopped();
  log.info('the orchestrator runs', {
    orchestratorId,
    version: manifest.version,
    generation,
    http: listener.url,
  });

  return {
    async stop() {
      entries.stop();
      await Promise.all([runner.stop(COMMANDS_GRACE_MS), link.stop(CALLS_GRACE_MS)]);
      await linkOver;
      upkeep.stop();
      stopped.abort();
      await Promise.all([listener.close(), relay.close()]);
      store.close();
    },
  };
}

runProcess({
  readConfig: () => readConfig(process.env),
  createLogger: ({ logLevel, production, secrets }) => createLogger({ level: logLevel, production, secrets }),
  start,
});
