import { Failure, type UserClaims } from '@clawdbot/protocol';
import type { Services } from '../services.ts';
import { sessionOf } from './cookie.ts';
import { bearerOf, verifyUser } from './user.ts';

/** Who asks, by a bearer token or else by the session cookie; throws `unauthorized` when there is neither. */
export function identify(request: Request, { jwt, now }: Pick<Services, 'jwt' | 'now'>): UserClaims {
  return verifyUser(cookieOf(request) ?? bearerOf(request.headers), jwt, now());
}

/**
 * A page of another origin must not act with its visitor's session. Browsers say where a request comes from with
 * every write and every WebSocket, so a foreign Origin is refused whoever asks, and who is known by the cookie alone
 * must say that it is our own page; a program with a token of its own need not.
 * `SameSite=Strict` alone would let in what shares our site: a customer's Worker beside the console.
 */
export function refuseForeign(request: Request): void {
  const { headers, url } = request;
  const origin = headers.get('origin');
  const isOurs = origin === new URL(url).origin;
  if (isOurs || (origin === null && (cookieOf(request) === undefined || isSameOrigin(headers)))) return;
  throw new Failure('forbidden', 'only the console’s own pages may do this with its session');
}

/** Methods that change nothing (RFC 9110 §9.2.1). */
export const isSafe = (method: string): boolean => ['GET', 'HEAD', 'OPTIONS'].includes(method);

/** The session cookie, when it is what tells who asks. */
const cookieOf = (request: Request): string | undefined =>
  request.headers.has('authorization') ? undefined : sessionOf(request);

/** A browser sets this header, and lets no page do it. https://www.w3.org/TR/fetch-metadata/ */
const isSameOrigin = (headers: Headers): boolean => headers.get('sec-fetch-site') === 'same-origin';
