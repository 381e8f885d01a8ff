import type { Config } from './config.ts';
import { ConfigError } from './config.ts';
import type { Logger } from './log.ts';
import { DiskFull, StoreError } from './store/index.ts';

/** What runs until it is stopped. */
export interface Orchestrator {
  /** Takes no new work, lets what is open finish for a few seconds, and closes everything. */
  stop(): Promise<void>;
}

export interface ProcessOptions {
  /** Throws `ConfigError`. */
  readonly readConfig: () => Config;
  readonly createLogger: (config: Config) => Logger;
  readonly start: (config: Config, log: Logger) => Promise<Orchestrator>;
}

/** A person must act before a start can succeed: a supervisor should not try again at once. */
const EXIT_MISCONFIGURED = 2;
const EXIT_FAILED = 1;
/** Supervisors kill after 10 s (docker) to 90 s (systemd). */
const STOP_DEADLINE_MS = 9_500;

/**
 * The process around the orchestrator: one line and exit 2 when it cannot start as it is set up; SIGTERM and
 * SIGINT drain and exit 0, a second one exits at once; what nobody has caught is logged and ends it.
 */
export async function runProcess({ readConfig, createLogger, start }: ProcessOptions): Promise<void> {
  const { config, log } = begin(() => {
    const read = readConfig();
    return { config: read, log: createLogger(read) };
  });
  const fall = (error: unknown) => {
    log.error('the orchestrator fails: something was not caught', { error });
    process.exit(EXIT_FAILED);
  };
  process.on('unhandledRejection', fall);
  process.on('uncaughtException', fall);
  const starting = start(config, log).catch((error: unknown) => giveUp(error));
  stopOnSignal(log, async () => (await starting).stop());
  await starting;
}

function stopOnSignal(log: Logger, stop: () => Promise<void>): void {
  let stopping = false;
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(EXIT_FAILED);
    stopping = true;
    log.info('the orchestrator stops', { signal });
    const late = setTimeout(() => {
      log.error('the stop took too long');
      process.exit(EXIT_FAILED);
    }, STOP_DEADLINE_MS);
    void stop().then(() => {
      clearTimeout(late);
      process.exit(0);
    });
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

function begin<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    return giveUp(error);
  }
}

/** Says in one line what must be changed, and ends the process. */
function giveUp(error: unknown): never {
  const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
  const expected = taken || error instanceof ConfigError || error instanceof StoreError;
  const message = error instanceof Error ? error.message : String(error);
  const line = taken ? `PORT is taken by another program (${message}): set it to a free one` : message;
  process.stderr.write(expected ? `${line}\n` : `${error instanceof Error ? error.stack : message}\n`);
  // A full disk may have room again soon, without anybody touching this program.
  process.exit(expected && !(error instanceof DiskFull) ? EXIT_MISCONFIGURED : EXIT_FAILED);
}
