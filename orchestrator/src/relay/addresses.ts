import { BlockList, isIP } from 'node:net';

type Range = readonly [network: string, bits: number];

/**
 * Where no name may lead: addresses of no one host, and those under which clouds hand out their machines'
 * credentials. IANA's special-purpose registries (RFC 6890), and the clouds' own manuals.
 */
const NOWHERE: readonly Range[] = [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16], // Link-local; 169.254.169.254 is most clouds' metadata service.
  ['192.0.0.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  ['100.100.100.200', 32], // Alibaba's metadata service
  ['168.63.129.16', 32], // Azure's host agent
  ['::', 128],
  ['fe80::', 10],
  ['ff00::', 8],
  ['fd00:ec2::254', 128], // AWS's metadata service
  ['2001::', 32], // Teredo and 6to4 have an IPv4 address inside, and nobody serves on them.
  ['2002::', 16],
];

/** This machine, and the networks that begin behind it (RFC 1918, 4193, 6598; 2544 for benchmarks). */
const INSIDE: readonly Range[] = [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['198.18.0.0', 15],
  ['::1', 128],
  ['fc00::', 7],
  ['fec0::', 10],
];

/** Link-local addresses may carry the name of an interface: fe80::1%eth0. */
const bare = (address: string): string => address.replace(/%.*$/, '');
const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

function listOf(ranges: readonly Range[]): BlockList {
  const list = new BlockList();
  for (const [network, bits] of ranges) {
    list.addSubnet(network, bits, familyOf(network));
    // The same through NAT64 (RFC 6052). An IPv4 address that is mapped into IPv6, BlockList sees through itself.
    if (isIP(network) === 4) list.addSubnet(`64:ff9b::${network}`, 96 + bits, 'ipv6');
  }
  return list;
}

const nowhere = listOf(NOWHERE);
const inside = listOf(INSIDE);

/** `outside`: somewhere on the internet. */
type Place = 'nowhere' | 'inside' | 'outside';

export function placeOf(given: string): Place {
  const address = bare(given);
  const family = familyOf(address);
  if (isIP(address) === 0 || nowhere.check(address, family)) return 'nowhere';
  return inside.check(address, family) ? 'inside' : 'outside';
}

const RANGE = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i;

/** Reads `10.0.0.5` or `10.0.0.0/8`. @returns whether an address is in there; undefined when the text is neither */
export function parseRange(text: string): ((address: string) => boolean) | undefined {
  const [, network = '', bits] = RANGE.exec(text) ?? [];
  const most = { 0: undefined, 4: 32, 6: 128 }[isIP(network)];
  if (most === undefined || Number(bits ?? most) > most) return undefined;
  const list = listOf([[network, Number(bits ?? most)]]);
  return (address) => isIP(address) !== 0 && list.check(bare(address), familyOf(address));
}
