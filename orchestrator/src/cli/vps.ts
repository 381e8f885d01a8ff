import { type Config, ConfigError, readConfig } from '../config.ts';
import { StoreError } from '../store/index.ts';
import { CliError, type Io } from './io.ts';
import { environmentOf, findSandbox } from './settings.ts';

/** The orchestrator on this machine: its environment, or that of the sandbox around. Throws `CliError`. */
export const configOf = (io: Io): Promise<Config> =>
  inSentences(async () => readConfig(environmentOf(io.env, findSandbox(io.cwd))));

/** Runs `work`; what an operator can mend is a `CliError`. */
export async function inSentences<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ConfigError || error instanceof StoreError) {
      throw new CliError(error.message, { cause: error });
    }
    throw error;
  }
}

/** What lets this machine through Cloudflare Access, for an edge behind it. */
export const accessHeaders = ({ access }: Config): Record<string, string> =>
  access === undefined
    ? {}
    : { 'CF-Access-Client-Id': access.clientId, 'CF-Access-Client-Secret': access.clientSecret };
