import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { CliError, type Io } from './io.ts';

/** Which edge to talk to, as whom. */
export interface Settings {
  readonly url: string;
  readonly token: string;
  /** Where customers' requests are answered, if that is known. */
  readonly relayUrl: string | undefined;
}

/** What `npm start` writes; only what is needed here. */
const sandboxFile = z.object({
  edgeUrl: z.string(),
  relayUrl: z.string(),
  orchestratorUrl: z.string(),
  orchestratorId: z.string(),
  adminToken: z.string(),
  cloudflareApiUrl: z.string(),
  cloudflareAccountId: z.string(),
  cloudflareApiToken: z.string(),
});
interface Sandbox extends z.infer<typeof sandboxFile> {
  /** `.sandbox`, where its state is. */
  readonly folder: string;
}

/** The sandbox that this folder belongs to: the nearest `.sandbox/sandbox.json` upward. */
export function findSandbox(from: string): Sandbox | undefined {
  for (let parent = from; ; parent = dirname(parent)) {
    const folder = join(parent, '.sandbox');
    const text = readIfThere(join(folder, 'sandbox.json'));
    if (text !== undefined) return { ...parseSandbox(text), folder };
    if (dirname(parent) === parent) return undefined;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function parseSandbox(text: string): z.infer<typeof sandboxFile> {
  try {
    return sandboxFile.parse(JSON.parse(text));
  } catch (error) {
    throw new CliError('.sandbox/sandbox.json cannot be read: start the sandbox again with "npm start"', {
      cause: error,
    });
  }
}

/** The orchestrator's environment: this process's, or that of the sandbox around. */
export function environmentOf(env: Io['env'], sandbox: Sandbox | undefined): Io['env'] {
  if (env['ORCHESTRATOR_ID'] !== undefined || env['EDGE_URL'] !== undefined || sandbox === undefined)
    return env;
  const { folder, orchestratorId } = sandbox;
  return {
    ORCHESTRATOR_ID: orchestratorId,
    EDGE_URL: sandbox.edgeUrl,
    KEY_FILE: join(folder, 'keys', `${orchestratorId}.pem`),
    DATA_DIR: join(folder, 'orchestrator'),
    PORT: new URL(sandbox.orchestratorUrl).port,
    CLOUDFLARE_API_TOKEN: sandbox.cloudflareApiToken,
    CLOUDFLARE_ACCOUNT_ID: sandbox.cloudflareAccountId,
    CLOUDFLARE_BASE_URL: sandbox.cloudflareApiUrl,
  };
}

const HOW = 'set CLAWCTL_URL and CLAWCTL_TOKEN (or --url and --token), or run this inside a running sandbox';

/** From the options, then the environment, then the sandbox. Never one's token with another's address. */
export function findSettings(
  options: { url?: string; token?: string },
  io: Pick<Io, 'env' | 'cwd'>,
): Settings {
  const url = options.url ?? io.env['CLAWCTL_URL'];
  const token = options.token ?? io.env['CLAWCTL_TOKEN'];
  if (url !== undefined && token !== undefined) {
    return { url: origin(url), token, relayUrl: io.env['CLAWCTL_RELAY_URL'] };
  }
  if (url !== undefined)
    throw new CliError(`there is no token for ${url}: set CLAWCTL_TOKEN, or give --token`);
  if (token !== undefined)
    throw new CliError('there is a token, but no address: set CLAWCTL_URL, or give --url');
  const sandbox = findSandbox(io.cwd);
  if (sandbox === undefined) throw new CliError(`there is no edge to talk to: ${HOW}`);
  return { url: origin(sandbox.edgeUrl), token: sandbox.adminToken, relayUrl: sandbox.relayUrl };
}

function origin(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new CliError(`"${text}" is not the address of an edge: give one like https://console.example.com`);
  }
  if (url.protocol === 'http:' && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)) {
    throw new CliError(`"${text}" is not encrypted, and would show the token to the network: use https`);
  }
  return url.origin;
}
