import type { HeaderList } from '@clawdbot/protocol';
import type { RelayCall, RelayReply } from './relay-rpc.ts';

/** Headers of a customer that make an answer theirs alone (RFC 9111 §3.5); cookies, because nothing says otherwise. */
const PERSONAL: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'proxy-authorization',
  'x-api-key',
  'x-auth-token',
]);
/** A part of an answer, or an answer to a condition, is not the answer. */
const PARTIAL: ReadonlySet<string> = new Set(['range', 'if-range']);

const valuesOf = (headers: HeaderList, name: string): string[] =>
  headers.filter(([given]) => given.toLowerCase() === name).map(([, value]) => value);

/** The members of a list header, in lower case, without their arguments. */
const listed = (headers: HeaderList, name: string): string[] =>
  valuesOf(headers, name)
    .flatMap((value) => value.split(','))
    .map((member) => member.split('=', 1)[0]?.trim().toLowerCase() ?? '')
    .filter((member) => member !== '');

/** May an answer to this be kept, or a kept one be its answer? */
export const mayBeKept = ({ method, headers }: Pick<RelayCall, 'method' | 'headers'>): boolean =>
  method === 'GET' && !headers.some(([name]) => PERSONAL.has(name) || PARTIAL.has(name));

/**
 * Is this a good answer, the same for everyone who asks so? `no-cache` may be kept: it is served only while nobody can
 * be asked, which is what `stale` is chosen for.
 */
export function isKeepable({ status, headers }: Pick<RelayReply, 'status' | 'headers'>): boolean {
  if (status !== 200 || valuesOf(headers, 'set-cookie').length > 0) return false;
  const control = listed(headers, 'cache-control');
  return (
    !control.includes('no-store') && !control.includes('private') && !listed(headers, 'vary').includes('*')
  );
}

/** Upstreams make links of them, and hardly one says so in `Vary`: an answer for one host must not be another's. */
const HOST: readonly string[] = ['x-forwarded-host', 'x-forwarded-proto'];

/** What of the request an answer depends on: the host, and by its `Vary` the names and the request's own values of them. */
export function variantOf(call: Pick<RelayCall, 'headers'>, names: readonly string[]): string {
  return JSON.stringify([...HOST, ...names].map((name) => [name, valuesOf(call.headers, name)]));
}

export const varyOf = ({ headers }: Pick<RelayReply, 'headers'>): string[] =>
  [...new Set(listed(headers, 'vary'))].sort();
