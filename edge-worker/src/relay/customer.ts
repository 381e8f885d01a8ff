/** The first 64 bits of an IPv6 address: a customer is given at least a /64 (RFC 6177), and may use all of it. */
const NETWORK_GROUPS = 4;

/**
 * Who is counted as one customer: an IPv4 address, or the /64 network of an IPv6 one.
 * @param address as Cloudflare writes it in `CF-Connecting-IP`
 */
export function customerOf(address: string): string {
  if (!address.includes(':')) return address;
  // One that is mapped from IPv4 is that one.
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = address.toLowerCase().split('::');
  const before = groupsOf(head);
  const after = groupsOf(tail ?? '');
  const zeros =
    tail === undefined ? [] : Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0');
  const network = [...before, ...zeros, ...after].slice(0, NETWORK_GROUPS);
  return `${network.map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::/64`;
}

const groupsOf = (text: string): string[] => text.split(':').filter((group) => group !== '');
