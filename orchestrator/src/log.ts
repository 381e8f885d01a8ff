import type { Writable } from 'node:stream';
import winston from 'winston';
import { standardOutput } from './stdout.ts';

/** What the rooms write to. `child({ requestId })` gives every line of one request its id. */
export type Logger = Pick<winston.Logger, 'error' | 'warn' | 'info' | 'debug' | 'child'>;

const HIDDEN = '[redacted]';
/** Fields whose value is a secret whatever it looks like. */
const SECRET_FIELD =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|cf-access-jwt-assertion|x-api-key|pem)$|(?:token|secrets?|password|passphrase|apikey|api_key|privatekey|private_key)$/i;
/** Secrets known by their looks: PEM blocks, JSON Web Tokens, values of `Authorization`. */
const SECRET_TEXT = [
  /-----BEGIN [A-Z ]+-----[\s\S]*?(?:-----END [A-Z ]+-----|$)/g,
  /\beyJ[\w-]{4,}\.[\w-]{4,}\.[\w-]*/g,
  /\b(?:Bearer|Basic)\s+[\w.~+/=-]{8,}/gi,
];
/** Below this a value is too common a word to be searched for in every line. */
const SECRET_LENGTH_MIN = 6;
const DEPTH_MAX = 6;

function errorFields(error: Error): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  const code = 'code' in error ? { code: error.code } : {};
  return { name, message, ...code, stack, ...(cause === undefined ? {} : { cause }) };
}

/** Headers travel as `[name, value]`. */
const isSecretHeader = (pair: readonly unknown[]): boolean =>
  pair.length === 2 && typeof pair[0] === 'string' && SECRET_FIELD.test(pair[0]);

/** A copy that JSON can hold, without the values of secret fields. */
function withoutSecrets(value: unknown, depth = 0): unknown {
  if (value instanceof Error) return withoutSecrets(errorFields(value), depth);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH_MAX) return '[deep]';
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value))
    return isSecretHeader(value) ? [value[0], HIDDEN] : value.map((item) => withoutSecrets(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      SECRET_FIELD.test(key) ? HIDDEN : withoutSecrets(member, depth + 1),
    ]),
  );
}

/** Both the value and how JSON writes it, since lines are searched as they are printed. */
const spellings = (secret: string): string[] => [secret, JSON.stringify(secret).slice(1, -1)];

function hide(line: string, secrets: readonly string[]): string {
  const known = secrets.reduce((text, secret) => text.replaceAll(secret, HIDDEN), line);
  return SECRET_TEXT.reduce((text, pattern) => text.replace(pattern, HIDDEN), known);
}

const jsonLine = ({ level, message, ...fields }: Record<string, unknown>, at: string): string =>
  JSON.stringify({ at, level, message, ...fields });

/** `12:00:01.250 warn  the link is down  reason="ECONNREFUSED" attempt=3`; stacks on lines of their own. */
function terminalLine({ level, message, ...fields }: Record<string, unknown>, at: string): string {
  const stacks: string[] = [];
  const words = Object.entries(fields).map(([key, value]) => {
    if (typeof value !== 'object' || value === null || !('stack' in value))
      return `${key}=${JSON.stringify(value)}`;
    stacks.push(String(value.stack));
    return `${key}=${JSON.stringify('message' in value ? value.message : '')}`;
  });
  const head = `${at.slice(11, 23)} ${String(level).padEnd(5)} ${message}`;
  return [[head, ...words].join('  '), ...stacks].join('\n');
}

export interface LoggerOptions {
  readonly level: string;
  /** JSON lines for machines, else lines for a person at a terminal. */
  readonly production: boolean;
  /** Values that must not appear in any line. */
  readonly secrets?: readonly string[];
  /** Default: standard output. */
  readonly out?: Writable;
}

/**
 * The process's logger. Secrets are taken out twice: fields by their name, and every printed line by known
 * values and by looks, so that one that travels inside an error's message does not get out either.
 */
export function createLogger({
  level,
  production,
  secrets = [],
  out = standardOutput(),
}: LoggerOptions): Logger {
  const known = secrets.filter((secret) => secret.length >= SECRET_LENGTH_MIN).flatMap(spellings);
  const line = production ? jsonLine : terminalLine;
  const format = winston.format.printf((info) => {
    // printf is given winston's own object: a record with string keys beside its symbols.
    const fields = withoutSecrets(info) as Record<string, unknown>;
    return hide(line(fields, new Date().toISOString()), known);
  });
  return winston.createLogger({
    level,
    // winston formats before it looks at the level, a transport after: so lines that nobody prints cost nothing.
    format: winston.format((info) => info)(),
    transports: [new winston.transports.Stream({ stream: out, format })],
  });
}
