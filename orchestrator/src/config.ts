import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { LANES_MAX, orchestratorId } from '@clawdbot/protocol';
import { z } from 'zod';
import { loadIdentity } from './identity.ts';
import { DEFAULT_ALLOW, parseAllow, type UpstreamAllow } from './relay/allow.ts';

export interface CloudflareConfig {
  readonly apiToken: string;
  readonly accountId: string;
  /** Absent: Cloudflare itself. */
  readonly baseUrl?: string;
}

/** The environment, checked. */
export interface Config {
  readonly orchestratorId: string;
  /** The console's origin, http(s). */
  readonly edgeUrl: string;
  readonly keyFile: string;
  readonly dataDir: string;
  /** Of the local HTTP API, on the loopback interface. */
  readonly port: number;
  readonly lanes: number;
  readonly upstreamAllow: UpstreamAllow;
  readonly cloudflare: CloudflareConfig | undefined;
  /** Between two looks at each deployed Worker. */
  readonly watchMinutes: number;
  /** Service token of Cloudflare Access, for an edge behind it. */
  readonly access: { readonly clientId: string; readonly clientSecret: string } | undefined;
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug';
  readonly production: boolean;
  /** Values that must never be printed. */
  readonly secrets: readonly string[];
}

/** The start must stop: the message is one line that names the variable and says what to set. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

type Refuse = (complaint: string) => never;

/** A variable that must be there. `read` turns its text into a value, or refuses it with a complaint. */
const variable = <T>(hint: string, read: (text: string, refuse: Refuse) => T) =>
  z.string({ error: `is missing: ${hint}` }).transform((text, context): T => {
    const refuse: Refuse = (complaint) => {
      throw new ConfigError(`${complaint}: ${hint}`);
    };
    try {
      return read(text, refuse);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      context.addIssue({
        code: 'custom',
        message: error instanceof ConfigError ? message : `${message}: ${hint}`,
      });
      return z.NEVER;
    }
  });

const asIs = (text: string): string => text;
const isLoopback = ({ hostname }: URL): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);

/** The origin of an address whose traffic carries a secret: without TLS only on this machine. */
function secureOrigin(text: string, refuse: Refuse): string {
  const url = URL.parse(text.replace(/^ws(s?):/i, 'http$1:'));
  if (url === null || !/^https?:$/.test(url.protocol)) return refuse('is not an http(s) address');
  if (url.username !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    return refuse('is more than an origin (leave out path, user and query)');
  }
  if (url.protocol === 'http:' && !isLoopback(url)) return refuse('is not encrypted (http)');
  return url.origin;
}

function keyFile(path: string, refuse: Refuse): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return refuse(`names a file that does not exist (${path})`);
  if (!stat.isFile()) return refuse(`is not a file (${path})`);
  // As ssh does: whoever reads this key is this orchestrator.
  if ((stat.mode & 0o077) !== 0) return refuse(`names a file that others can read (run: chmod 600 ${path})`);
  try {
    loadIdentity(path);
  } catch (error) {
    return refuse(`names no usable key (${error instanceof Error ? error.message : error})`);
  }
  return path;
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** One by one, because below /proc Node's recursive `mkdirSync` never comes back. */
function makeFolder(path: string): void {
  if (isFolder(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process that starts has made it meanwhile.
    if (!isFolder(path)) throw error;
  }
}

function dataDir(path: string, refuse: Refuse): string {
  try {
    makeFolder(path);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    return refuse(`cannot be written (${error instanceof Error ? error.message : error})`);
  }
  return path;
}

function whole(text: string, max: number, refuse: Refuse): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  return value >= 0 && value <= max ? value : refuse('is not a number in range');
}

function apiBase(text: string, refuse: Refuse): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return refuse('is not an http(s) address');
  if (url.protocol === 'http:' && !isLoopback(url)) return refuse('is not encrypted (http)');
  return text.replace(/\/+$/, '');
}

const CLOUDFLARE = 'set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID together, or neither';
const ACCESS = 'set CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET together, or neither';

/** Who signs, and with which key. */
const signer = z.object({
  ORCHESTRATOR_ID: variable(
    'set it to the id this orchestrator was enrolled with, 1 to 63 of a-z, 0-9 and "-", e.g. vps-1',
    (text, refuse) => orchestratorId.safeParse(text).data ?? refuse('is not an orchestrator id'),
  ),
  KEY_FILE: variable(
    "set it to the path of the orchestrator's private key, PEM, EC P-256, mode 600",
    keyFile,
  ),
});

const variables = signer
  .extend({
    EDGE_URL: variable(
      "set it to the console's address, e.g. https://console.example.com (http on loopback only)",
      secureOrigin,
    ),
    DATA_DIR: variable('set it to a folder that this process may write, e.g. /var/lib/clawdbot', dataDir),
    PORT: variable('set it to a free port from 0 to 65535, or leave it out for 3000', (text, refuse) =>
      whole(text, 65_535, refuse),
    ).default(3_000),
    LANES: variable(
      `set it to 1 to ${LANES_MAX}, no more than the edge grants, or leave it out for 1`,
      (text, refuse) => whole(text, LANES_MAX, refuse) || refuse('is not a number in range'),
    ).default(1),
    UPSTREAM_ALLOW: variable(
      'set it to origins or host:port, comma-separated, e.g. http://127.0.0.1:*,n8n:5678',
      parseAllow,
    ).default(parseAllow(DEFAULT_ALLOW)),
    CLOUDFLARE_API_TOKEN: variable(CLOUDFLARE, asIs).optional(),
    CLOUDFLARE_ACCOUNT_ID: variable(CLOUDFLARE, (text, refuse) =>
      /^[\w-]{1,64}$/.test(text) ? text : refuse('is not an account id'),
    ).optional(),
    CLOUDFLARE_BASE_URL: variable(
      "leave it out, or set it to the base of an API like Cloudflare's, e.g. http://127.0.0.1:8790/client/v4",
      apiBase,
    ).optional(),
    WATCH_MINUTES: variable(
      'set it to 1 to 59, the minutes between two looks at each deployed Worker, or leave it out for 5',
      (text, refuse) => whole(text, 59, refuse) || refuse('is not a number in range'),
    ).default(5),
    CF_ACCESS_CLIENT_ID: variable(ACCESS, asIs).optional(),
    CF_ACCESS_CLIENT_SECRET: variable(ACCESS, asIs).optional(),
    LOG_LEVEL: variable('set it to error, warn, info or debug, or leave it out for info', (text, refuse) => {
      const level = z.enum(['error', 'warn', 'info', 'debug']).safeParse(text);
      return level.data ?? refuse('is not a level');
    }).default('info'),
    NODE_ENV: z.string().optional(),
  })
  .superRefine((all, context) => {
    const together = (names: readonly (keyof typeof all)[], hint: string): void => {
      const missing = names.filter((name) => all[name] === undefined);
      if (missing.length !== 1) return;
      context.addIssue({ code: 'custom', path: [missing[0] ?? ''], message: `is missing: ${hint}` });
    };
    together(['CLOUDFLARE_API_TOKEN', 'CLOUDFLARE_ACCOUNT_ID'], CLOUDFLARE);
    together(['CF_ACCESS_CLIENT_ID', 'CF_ACCESS_CLIENT_SECRET'], ACCESS);
  });
type Variables = z.infer<typeof variables>;

const pair = <A, B, T>(a: A | undefined, b: B | undefined, of: (a: A, b: B) => T): T | undefined =>
  a === undefined || b === undefined ? undefined : of(a, b);

const cloudflareOf = (all: Variables): CloudflareConfig | undefined =>
  pair(all.CLOUDFLARE_API_TOKEN, all.CLOUDFLARE_ACCOUNT_ID, (apiToken, accountId) => ({
    apiToken,
    accountId,
    ...(all.CLOUDFLARE_BASE_URL === undefined ? {} : { baseUrl: all.CLOUDFLARE_BASE_URL }),
  }));

const configOf = (all: Variables): Config => ({
  orchestratorId: all.ORCHESTRATOR_ID,
  edgeUrl: all.EDGE_URL,
  keyFile: all.KEY_FILE,
  dataDir: all.DATA_DIR,
  port: all.PORT,
  lanes: all.LANES,
  upstreamAllow: all.UPSTREAM_ALLOW,
  cloudflare: cloudflareOf(all),
  watchMinutes: all.WATCH_MINUTES,
  access: pair(all.CF_ACCESS_CLIENT_ID, all.CF_ACCESS_CLIENT_SECRET, (clientId, clientSecret) => ({
    clientId,
    clientSecret,
  })),
  logLevel: all.LOG_LEVEL,
  production: all.NODE_ENV === 'production',
  secrets: [all.CLOUDFLARE_API_TOKEN, all.CF_ACCESS_CLIENT_SECRET].filter((secret) => secret !== undefined),
});

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the environment; makes the data folder if there is none.
 * Throws `ConfigError` for the first variable that is missing or bad.
 */
export const readConfig = (env: Environment): Config => configOf(read(variables, env));

/** All that a token needs of the environment. Throws `ConfigError`. */
export function readSigner(env: Environment): Pick<Config, 'orchestratorId' | 'keyFile'> {
  const { ORCHESTRATOR_ID, KEY_FILE } = read(signer, env);
  return { orchestratorId: ORCHESTRATOR_ID, keyFile: KEY_FILE };
}

function read<T extends z.ZodType>(schema: T, env: Environment): z.output<T> {
  // docker compose passes a variable that nobody set as an empty one.
  const given = Object.fromEntries(
    Object.entries(env).filter(([, text]) => text !== undefined && text !== ''),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ConfigError(`${issue?.path.join('.')} ${issue?.message}`.replaceAll(/\s*\n\s*/g, ' '));
}
