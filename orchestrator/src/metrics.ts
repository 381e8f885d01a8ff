import type { Status } from '@clawdbot/protocol';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Handlers } from './commands/handler.ts';
import type { LinkState } from './link/state.ts';
import type { Relay } from './relay/index.ts';
import type { StorageState } from './store/index.ts';

export interface MetricsSources {
  readonly queues: () => Status['queues'];
  readonly rttMs: () => number | undefined;
  readonly callsOpen: () => number;
  /** Lane 0 among them. */
  readonly lanesOpen: () => number;
  readonly storage: () => StorageState;
}

/** The link's state, and its changes. */
interface ChannelStates {
  readonly value: LinkState;
  subscribe(listener: (state: LinkState) => void): () => void;
}

/** What Prometheus is told, and the wrappers that count what passes through them. */
export interface Metrics {
  readonly registry: Registry;
  /** Shows the channel's state, and counts how often it opened. */
  watch(channel: ChannelStates): void;
  /** Counts and times the calls of a relay. */
  countCalls(handle: Relay['handle']): Relay['handle'];
  /** Counts and times commands. */
  countCommands(handlers: Handlers): Handlers;
}

const STATES = ['connecting', 'greeting', 'open', 'draining', 'waiting', 'refused', 'stopped'] as const;
/** Seconds. A hot round trip takes under a millisecond; a call may take two minutes. */
const CALL_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120];
const COMMAND_BUCKETS = [0.01, 0.1, 1, 5, 15, 60, 300];
/** Of the event loop's delay: the default of 10 ms wakes an idle process a hundred times a second. */
const LOOP_PRECISION_MS = 100;

export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_PRECISION_MS });
  gauges(sources, registers);
  const calls = new Histogram({
    name: 'clawdbot_call_duration_seconds',
    help: 'Calls of the edge, by target and by the status answered (or the error code)',
    labelNames: ['target', 'outcome'],
    buckets: CALL_BUCKETS,
    registers,
  });
  const commands = new Histogram({
    name: 'clawdbot_command_duration_seconds',
    help: 'Commands carried out, by type and outcome',
    labelNames: ['type', 'outcome'],
    buckets: COMMAND_BUCKETS,
    registers,
  });
  return {
    registry,
    watch: (channel) => watchChannel(channel, registers),
    countCalls: (handle) => async (call) => {
      const end = calls.startTimer({ target: call.head.target });
      return timed(
        () => handle(call),
        end,
        ({ status }) => `${Math.floor(status / 100)}xx`,
      );
    },
    countCommands: ({ deploy_worker, rollback_worker, adopt_worker, update_config }) => ({
      deploy_worker: (body, context) =>
        timed(
          () => deploy_worker(body, context),
          commands.startTimer({ type: body.type }),
          () => 'succeeded',
        ),
      rollback_worker: (body, context) =>
        timed(
          () => rollback_worker(body, context),
          commands.startTimer({ type: body.type }),
          () => 'succeeded',
        ),
      adopt_worker: (body, context) =>
        timed(
          () => adopt_worker(body, context),
          commands.startTimer({ type: body.type }),
          () => 'succeeded',
        ),
      update_config: (body) => {
        const end = commands.startTimer({ type: body.type });
        try {
          const result = update_config(body);
          end({ outcome: 'succeeded' });
          return result;
        } catch (error) {
          end({ outcome: codeOf(error) });
          throw error;
        }
      },
    }),
  };
}

type End = (labels: { outcome: string }) => unknown;

async function timed<T>(work: () => Promise<T>, end: End, outcomeOf: (result: T) => string): Promise<T> {
  try {
    const result = await work();
    end({ outcome: outcomeOf(result) });
    return result;
  } catch (error) {
    end({ outcome: codeOf(error) });
    throw error;
  }
}

/** Our failures' codes are a short list; anything else is one more. */
const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'fault';

function watchChannel(channel: ChannelStates, registers: Registry[]): void {
  const opened = new Counter({
    name: 'clawdbot_channel_opened_total',
    help: 'Times the channel to the edge was opened; all but the first are reconnects',
    registers,
  });
  channel.subscribe(({ kind }) => {
    if (kind === 'open') opened.inc();
  });
  new Gauge({
    name: 'clawdbot_channel_state',
    help: 'Where the channel stands: 1 for the state it is in',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of STATES) this.set({ state }, channel.value.kind === state ? 1 : 0);
    },
  });
}

function gauges(
  { queues, rttMs, callsOpen, lanesOpen, storage }: MetricsSources,
  registers: Registry[],
): void {
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name: `clawdbot_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  gauge(
    'channel_rtt_seconds',
    'Last heartbeat there and back; NaN before the first',
    () => (rttMs() ?? Number.NaN) / 1_000,
  );
  gauge('calls_open', 'Calls of the edge under way', callsOpen);
  gauge('lanes_open', 'Sockets to the edge that are open, of the LANES that were asked for', lanesOpen);
  gauge('inbox_depth', 'Entries taken from the edge and not yet handled', () => queues().inbox);
  gauge('outbox_depth', 'Entries for the edge that it has not acknowledged', () => queues().outbox);
  gauge('storage_ok', '1 while the database takes writes, else 0', () => Number(storage().state === 'ok'));
  gauge('dead_letters', 'Entries that could not be handled', () => queues().deadLetters);
}
