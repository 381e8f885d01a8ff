import { once } from 'node:events';
import { connect, type LookupFunction } from 'node:net';
import type { UpstreamAllow } from '../relay/allow.ts';
import { createLookup, type Resolve } from '../relay/lookup.ts';
import { unreached } from '../unreached.ts';
import type { Check } from './health.ts';

const TIMEOUT_MS = 2_000;
/** A host name may be long; an event lists many. */
const NAME_CHARS_MAX = 200;

const PORT_OF: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/**
 * Looks whether an upstream takes TCP connections, within two seconds; no request is sent, since nobody knows
 * what one would do there. One that is not on this machine's list, or whose name leads where it may not, is not
 * touched, and fails like its requests.
 */
export function createLook(allow: UpstreamAllow, resolve?: Resolve) {
  const lookup = createLookup(allow, resolve);
  return async (origin: string, signal: AbortSignal): Promise<Check> => {
    const name = origin.slice(0, NAME_CHARS_MAX);
    if (!allow.allows(origin)) return { name, ok: false, detail: 'not allowed here (UPSTREAM_ALLOW)' };
    const begun = performance.now();
    try {
      await reach(new URL(origin), lookup, signal);
      return { name, ok: true, latencyMs: Math.round(performance.now() - begun) };
    } catch (error) {
      return { name, ok: false, detail: unreached(error, TIMEOUT_MS) };
    }
  };
}

async function reach(
  { protocol, hostname, port }: URL,
  lookup: LookupFunction,
  stop: AbortSignal,
): Promise<void> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(TIMEOUT_MS)]);
  const host = hostname.replaceAll(/[[\]]/g, '');
  const socket = connect({ host, lookup, port: Number(port) || (PORT_OF[protocol] ?? 0) });
  try {
    await once(socket, 'connect', { signal });
  } finally {
    // Its error, if one still comes, has nobody to go to.
    socket.on('error', () => {}).destroy();
  }
}
