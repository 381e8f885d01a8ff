import { statfsSync } from 'node:fs';
import { orchestratorHealth } from '@clawdbot/protocol';
import { z } from 'zod';
import type { Config } from '../../config.ts';
import { loadIdentity } from '../../identity.ts';
import type { Io } from '../io.ts';
import { type Check, Trouble, why } from './check.ts';

/** Below this SQLite's log and a few days of queues may not fit. */
const FREE_BYTES_MIN = 200 * 1024 * 1024;

/** What is on this machine: the key, the data folder, and the orchestrator itself if it runs. */
export function machineChecks(config: Config, io: Io): Check[] {
  return [
    {
      name: 'key',
      advice: 'see KEY_FILE',
      run: async () => `${config.keyFile}, kid ${loadIdentity(config.keyFile).kid}`,
    },
    {
      name: 'data',
      advice: 'free some space, or move DATA_DIR',
      run: async () => {
        const { bavail, bsize } = statfsSync(config.dataDir);
        const free = bavail * bsize;
        if (free < FREE_BYTES_MIN)
          throw new Error(`${config.dataDir} has ${Math.floor(free / 1_048_576)} MB left`);
        return `${config.dataDir} can be written, ${Math.floor(free / 1_048_576)} MB free`;
      },
    },
    {
      name: 'process',
      advice: 'act on the reason, then restart it',
      run: (signal) => itself(config, io, signal),
    },
  ];
}

async function itself({ port }: Config, io: Io, signal: AbortSignal) {
  const address = `http://127.0.0.1:${port}/health`;
  const response = await io.fetcher(address, { signal }).catch((error: unknown) => {
    throw new Trouble(`no orchestrator answers on port ${port} (${causeOf(error)})`, 'start it');
  });
  const { version, channel } = orchestratorHealth.parse(await response.json());
  if (channel.state === 'refused') throw new Error(`its channel was refused: ${channel.reason}`);
  return `runs, version ${version}, channel ${channel.state}${channel.reason === undefined ? '' : ` (${channel.reason})`}`;
}

/** `fetch` itself only says that it failed. */
const causeOf = (error: unknown): string =>
  why(error instanceof Error && error.cause !== undefined ? error.cause : error);

const CLOUDFLARE_API = 'https://api.cloudflare.com/client/v4';
const verified = z.object({ result: z.object({ status: z.string() }) });

/** Whether deployments would be let in. */
export function cloudflareCheck({ cloudflare }: Config, io: Io): Check {
  return {
    name: 'Cloudflare',
    advice: 'make a token that may edit Workers Scripts, and set CLOUDFLARE_API_TOKEN',
    run: async (signal) => {
      if (cloudflare === undefined) return { skipped: 'no CLOUDFLARE_API_TOKEN: deployments are refused' };
      const { baseUrl = CLOUDFLARE_API, accountId, apiToken } = cloudflare;
      const headers = { authorization: `Bearer ${apiToken}` };
      const asked = (address: string) => askCloudflare(address, { headers, signal }, io);
      // A token belongs to a user or to an account, and each kind is verified in its own place.
      for (const owner of ['/user', `/accounts/${accountId}`]) {
        const response = await asked(`${baseUrl}${owner}/tokens/verify`);
        const status = verified.safeParse(await response.json().catch(() => undefined)).data?.result.status;
        if (response.ok && status === 'active') return 'the token is active';
        if (response.ok) throw new Error(`the token is ${status ?? 'not known'}`);
      }
      throw new Error('the token is refused');
    },
  };
}

/** An answer that is about the token. Throws `Trouble` when there is none. */
async function askCloudflare(address: string, init: RequestInit, io: Io): Promise<Response> {
  const response = await io.fetcher(address, init).catch((error: unknown) => {
    const advice = 'this machine must be able to reach it; CLOUDFLARE_BASE_URL, if it is set, must be right';
    throw new Trouble(`${address} cannot be reached (${causeOf(error)})`, advice);
  });
  if (response.status < 500 && response.status !== 429) return response;
  throw new Trouble(`${address} answers ${response.status}`, 'that is not about the token: try again later');
}
