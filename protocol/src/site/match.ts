import { Failure } from '../errors.ts';
import type { Route } from './config.ts';

/** All of a route that says which requests it takes. */
type Matcher = Pick<Route, 'path' | 'methods'>;

/** `/hooks/*` covers `/hooks`, `/hooks/` and all below; without the star only the path itself. */
function covers(pattern: string, path: string): boolean {
  if (!pattern.endsWith('*')) return pattern === path;
  const prefix = pattern.slice(0, -1);
  return path.startsWith(prefix) || (prefix.endsWith('/') && path === prefix.slice(0, -1));
}

const allows = (route: Matcher, method: string): boolean => route.methods?.includes(method) ?? true;

/** Of a percent-encoded octet that needs no encoding (RFC 3986 §2.3), or is a slash, which nginx decodes. */
const NEEDLESS = /%(?:2[def]|3\d|4[1-9a-f]|5[\daf]|6[1-9a-f]|7[\dae])/gi;

/**
 * One spelling of a path (RFC 3986 §6.2.2.2), its slashes merged: an upstream that reads `//hooks` or `/%68ooks` as
 * `/hooks` must not get it past the route that checks signatures there.
 */
function plain(path: string): string {
  if (!path.includes('%') && !path.includes('//')) return path;
  return path
    .replace(NEEDLESS, (octet) => String.fromCharCode(Number.parseInt(octet.slice(1), 16)))
    .replace(/\/{2,}/g, '/');
}

/** An exact path beats any pattern, a longer pattern a shorter one, named methods beat all methods. */
function specificity(route: Matcher): number {
  const exact = route.path.endsWith('*') ? 0 : 1_000;
  return exact + route.path.length * 2 + (route.methods === undefined ? 0 : 1);
}

/**
 * The route of a request: the most specific whose path covers it and whose methods allow it.
 * `path` is the URL's path without query, as the customer sent it, in whatever spelling; edge and orchestrator both ask here.
 */
export function matchRoute<R extends Matcher>(
  routes: readonly R[],
  method: string,
  path: string,
): R | undefined {
  let best: R | undefined;
  const asked = plain(path);
  for (const route of routes) {
    if (!covers(plain(route.path), asked) || !allows(route, method)) continue;
    if (best === undefined || specificity(route) > specificity(best)) best = route;
  }
  return best;
}

/**
 * A path that some parser on the way would resolve, also when its slashes are encoded (nginx decodes them first):
 * sent on, it could leave the upstream's prefix.
 */
const DOTS = /(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\?#]|%2f|%5c|$)/i;

/** Of a path with "." or ".." parts, however they are spelt; undefined of any other. */
export function dotsFailure(path: string): Failure | undefined {
  if (!DOTS.test(path)) return undefined;
  const message = 'the path has "." or ".." parts: resolve them first';
  return new Failure('bad_request', message, { execution: 'not_started' });
}

/** A URL's path, without its query, as the customer sent it: what `matchRoute` is asked with. */
export const pathOf = (url: string): string => url.split('?', 1)[0] ?? url;
