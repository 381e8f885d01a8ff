import { Failure, type HeaderList, type Verify } from '@clawdbot/protocol';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hexToBytes } from '@noble/hashes/utils.js';

/** A customer's request, as far as signatures go. */
export interface SignedRequest {
  /** Lower-case names. */
  readonly headers: HeaderList;
  /** As it came, byte by byte. */
  readonly body: Uint8Array | null;
}

/** Senders that change their secret sign with both for a while; more than these are not looked at. */
const SIGNATURES_MAX = 16;

const encoder = new TextEncoder();
const NO_BODY = new Uint8Array(0);

/**
 * Checks that whoever knows the secret has signed this request.
 * @param nowMs milliseconds since the epoch, for the schemes that sign the time
 * Throws `Failure('signature_invalid')`: it is missing, wrong, or too old.
 */
export function verifySignature(verify: Verify, request: SignedRequest, secret: string, nowMs: number): void {
  const before = signedBefore(verify, request, nowMs);
  const mac = hmac.create(sha256, encoder.encode(secret));
  const expected = mac
    .update(encoder.encode(before))
    .update(request.body ?? NO_BODY)
    .digest();
  const given = signaturesOf(verify, request);
  // All of them, so that the time tells nothing of which one it was.
  if (given.map((signature) => isEqual(signature, expected)).includes(true)) return;
  throw refused(
    `the signature in ${verify.header} is not of this body with the secret "${verify.secretRef}"`,
  );
}

/** What was signed before the body: nothing, or the time. Throws when that is too far from ours. */
function signedBefore(verify: Verify, request: SignedRequest, nowMs: number): string {
  if (verify.scheme === 'hmac-sha256') return '';
  const { timestamp } = verify;
  const where = timestamp.header ?? verify.header;
  const at = elementsOf(request, where, timestamp.prefix)[0] ?? '';
  if (!/^\d{1,12}$/.test(at)) throw refused(`${where} holds no time in seconds`);
  const apartS = Math.round(Math.abs(nowMs / 1_000 - Number(at)));
  if (apartS > timestamp.toleranceS) {
    throw refused(`it was signed ${apartS} s from now, and ${timestamp.toleranceS} s are allowed`);
  }
  // A function, because "$" in a replacement's text has a meaning of its own.
  return timestamp.signed.replace('{timestamp}', () => at).replace(/\{body\}$/, '');
}

function signaturesOf(verify: Verify, request: SignedRequest): Uint8Array[] {
  const elements = elementsOf(request, verify.header, verify.prefix);
  if (elements.length === 0) throw refused(`there is no signature in ${verify.header}`);
  const signatures = elements.slice(0, SIGNATURES_MAX).map((text) => decoded(text, verify.encoding));
  return signatures.filter((signature) => signature !== undefined);
}

/** The elements of a header that begin with the prefix, without it. */
function elementsOf({ headers }: SignedRequest, name: string, prefix = ''): string[] {
  const wanted = name.toLowerCase();
  return headers
    .filter(([header]) => header === wanted)
    .flatMap(([, value]) => value.split(','))
    .map((element) => element.trim())
    .filter((element) => element !== '' && element.startsWith(prefix))
    .map((element) => element.slice(prefix.length));
}

/** The 32 bytes of a digest; undefined when the text is none. */
function decoded(text: string, encoding: Verify['encoding']): Uint8Array | undefined {
  if (encoding === 'hex') return /^[0-9a-f]{64}$/i.test(text) ? hexToBytes(text) : undefined;
  if (!/^[A-Za-z0-9+/]{43}=$/.test(text)) return undefined;
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** In constant time: of the digests of both, whoever guesses cannot choose how far they are alike. */
function isEqual(given: Uint8Array, expected: Uint8Array): boolean {
  const [left, right] = [sha256(given), sha256(expected)];
  return left.reduce((difference, byte, at) => difference | (byte ^ (right[at] ?? 0)), 0) === 0;
}

const refused = (message: string) => new Failure('signature_invalid', message, { execution: 'not_started' });
