import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { BudgetOptions } from './api/budget.ts';
import { runnerConfig } from './runner/config.ts';
import { type RunningServer, startServer } from './server.ts';

export interface StartOptions {
  /** Where the state is kept; made if it is not there. */
  dataDir: string;
  /** The one account, 32 hexadecimal digits. */
  accountId: string;
  apiToken: string;
  /** The API's port; a free one by default. */
  port?: number;
  budget?: BudgetOptions;
}

const RUNNER_READY_TIMEOUT_MS = 10_000;
const PROBE_INTERVAL_MS = 20;

/** A port that was free a moment ago: workerd cannot report one that it chose itself. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Resolves once the runner answers; fails when it exits or does not in time. */
async function runnerReady(port: number, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + RUNNER_READY_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`workerd exited with ${child.exitCode}`);
    const answers = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (answers) return;
    await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS));
  }
  throw new Error(`the runner was not up within ${RUNNER_READY_TIMEOUT_MS} ms`);
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** The whole stand-in for a test: the API in this process, the runner as a child. Close it when done. */
export async function startCloudflare(options: StartOptions): Promise<RunningServer> {
  const { dataDir, accountId, apiToken, port = await freePort(), budget } = options;
  const runnerPort = await freePort();
  const runnerToken = randomBytes(24).toString('hex');
  const { command, args } = runnerConfig({
    dir: join(dataDir, 'runner'),
    port: runnerPort,
    apiInternalUrl: `http://127.0.0.1:${port}`,
    token: runnerToken,
  });
  const runner = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    await runnerReady(runnerPort, runner);
    const server = await startServer({
      dataDir,
      port,
      accountId,
      apiToken,
      runnerPort,
      runnerToken,
      ...(budget && { budget }),
    });
    return { ...server, close: async () => void (await Promise.all([server.close(), kill(runner)])) };
  } catch (error) {
    await kill(runner);
    throw error;
  }
}
