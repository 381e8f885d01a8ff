import type { Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { listen, shut } from '../listen.ts';
import { createApp } from './api/app.ts';
import { type BudgetOptions, CLOUDFLARE_BUDGET } from './api/budget.ts';
import { type AccountOptions, Platform } from './platform.ts';
import { Runner } from './serve/runner.ts';

export interface ServerOptions extends AccountOptions {
  /** Where the state is kept; made if it is not there. */
  dataDir: string;
  /** The API's port on 127.0.0.1; 0 for a free one. */
  port: number;
  runnerPort: number;
  runnerToken: string;
  budget?: BudgetOptions;
}

/** A running API, with the ports of the deployed Workers. */
export interface RunningServer {
  /** What goes into `CLOUDFLARE_API_BASE_URL` and the SDK's `baseURL`. */
  url: string;
  /** Answers `{ "<worker name>": "<its url>" }`. */
  workersUrl: string;
  /** Takes faults that calls are to meet: `api/faults.ts`. */
  faultsUrl: string;
  close(): Promise<void>;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return address.port;
}

/** Starts the API and the Workers' ports in this process. The runner is another process: `runner/config.ts`. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const runner = new Runner(options.runnerPort, options.runnerToken);
  const platform = await Platform.open(options.dataDir, options, runner, Date.now);
  const app = createApp(platform, options.budget ?? CLOUDFLARE_BUDGET);
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = await listen('127.0.0.1', options.port, listener);
  const origin = `http://127.0.0.1:${portOf(server)}`;
  return {
    url: `${origin}/client/v4`,
    workersUrl: `${origin}/_workers`,
    faultsUrl: `${origin}/_faults`,
    close: async () => {
      await Promise.all([shut(server), platform.close()]);
    },
  };
}
