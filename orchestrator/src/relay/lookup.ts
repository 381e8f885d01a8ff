import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { UpstreamAllow } from './allow.ts';

/** All addresses of a host name, as this machine resolves it. */
export type Resolve = (
  hostname: string,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

const resolveHere: Resolve = (hostname, done) => systemLookup(hostname, { all: true }, done);

/**
 * Resolves a host name for a connection that is being made, and gives only the addresses to which it may lead
 * (`UpstreamAllow.permits`). Checked here, at the last moment, because whoever owns a name can point it somewhere
 * else after the config was accepted. Addresses that are no names never come here: they are in the list, or not.
 */
export function createLookup(allow: UpstreamAllow, resolve: Resolve = resolveHere): LookupFunction {
  return (hostname, { all }, callback) => {
    resolve(hostname, (error, addresses) => {
      if (error !== null) return callback(error, []);
      const permitted = addresses.filter(({ address }) => allow.permits(hostname, address));
      const [first] = permitted;
      if (first === undefined) return callback(refused(hostname, addresses), []);
      return all === true ? callback(null, permitted) : callback(null, first.address, first.family);
    });
  };
}

function refused(hostname: string, addresses: readonly LookupAddress[]): Error {
  const [{ address } = { address: 'no address' }] = addresses;
  return new Error(
    `${hostname} leads to ${address}, where UPSTREAM_ALLOW lets no name lead that does not say so (${hostname}:<port>=${address})`,
  );
}
