import { z } from 'zod';
import { LANES_MAX } from './limits.ts';

/** Lower-case DNS-label-like name: it stands in URLs, host names, SQL keys and object names unescaped. */
const label = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'expected 1 to 63 of a-z, 0-9 and "-", not at either end');

export const orchestratorId = label.describe('Names one orchestrator, for good');
export const siteId = label.describe('Names one customer site, for good');
export const orgId = label.describe('Names one organisation');

/** A command's id names the object that holds it: `cmd_<orchestrator>_<time-ordered random>`. */
export const commandId = z
  .string()
  .regex(/^cmd_[a-z0-9-]{1,63}_[0-9a-z]{16,32}$/, 'expected a command id, "cmd_<orchestrator>_<random>"');

/** A receipt's id names the object that took the request: `rcpt_<orchestrator>_<time-ordered random>`. */
export const receiptId = z
  .string()
  .regex(/^rcpt_[a-z0-9-]{1,63}_[0-9a-z]{16,32}$/, 'expected a receipt id, "rcpt_<orchestrator>_<random>"');

/** A move's id names the orchestrator that had the site: `move_<orchestrator>_<time-ordered random>`. */
export const moveId = z
  .string()
  .regex(/^move_[a-z0-9-]{1,63}_[0-9a-z]{16,32}$/, 'expected a move’s id, "move_<orchestrator>_<random>"');

/** Of an event, given by whoever saw it: time-ordered, unique for good. */
export const eventId = z
  .string()
  .regex(/^evt_[0-9a-z]{16,32}$/, 'expected an event id, "evt_<time-ordered random>"');

/** Of a variable, secret or binding in a Worker's `env`. */
export const bindingName = z.string().regex(/^[A-Za-z_]\w{0,99}$/, 'expected a variable name');

/** Part of URLs and of a config's references; no dot at either end, since a URL's parser would resolve it. */
export const secretName = z
  .string()
  .regex(
    /^\w(?:[\w.-]{0,98}\w)?$/,
    'expected a secret’s name: 1 to 100 of letters, digits, "_", "-" and ".", the last two not at either end',
  );

/** Chosen by whoever opens the call: even by the edge, odd by the orchestrator (as in HTTP/2, RFC 9113 §5.1.1). */
export const callId = z.int().min(1).max(0xffff_ffff);

/** Cloudflare's own: a UUID. */
export const workerVersionId = z.string().regex(/^[\w-]{1,64}$/, 'expected a version’s id');

export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 as 64 hex digits');
/** Milliseconds since the Unix epoch. */
export const timeMs = z.int().min(0);
/** A position in a log. With at most 15 digits it is exact as a number, and fits a dead letter's id. */
export const seq = z.int().min(0).max(999_999_999_999_999);
/** It stands in dead letters' ids, which are part of URLs. */
export const logId = z.string().regex(/^[\w-]{8,64}$/, 'expected 8 to 64 of letters, digits, "_" and "-"');
export const lane = z
  .int()
  .min(0)
  .max(LANES_MAX - 1);
/** Everything durable of an orchestrator is this lane's alone. */
export const CONTROL_LANE = 0;
/** A lane that carries calls only: everything durable is lane 0's. */
export const callLane = lane.min(1);

/** The orchestrator that a command id names, or undefined when the text is no command id. */
export function orchestratorOfCommand(id: string): string | undefined {
  return commandId.safeParse(id).success ? id.split('_')[1] : undefined;
}

/** The orchestrator that a receipt id names, or undefined when the text is no receipt id. */
export function orchestratorOfReceipt(id: string): string | undefined {
  return receiptId.safeParse(id).success ? id.split('_')[1] : undefined;
}

/** The orchestrator that a move's id names, or undefined when the text is no such id. */
export function orchestratorOfMove(id: string): string | undefined {
  return moveId.safeParse(id).success ? id.split('_')[1] : undefined;
}

/** Randomness as an argument: a function that fills and returns `length` random bytes. */
export type RandomBytes = (length: number) => Uint8Array;

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz';

/** A time-ordered id part: 9 base-36 digits of milliseconds (good until the year 5188), 13 random ones. */
export function orderedId(nowMs: number, random: RandomBytes): string {
  const time = nowMs.toString(36).padStart(9, '0');
  let tail = '';
  for (const byte of random(13)) tail += DIGITS.charAt(byte % 36);
  return time + tail;
}
