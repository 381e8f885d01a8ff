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

/** An exact path beats any pattern, a longer pattern a shorter one, named methods beat all methods. */
function specificity(route: Matcher): number {
  const exact = route.path.endsWith('*') ? 0 : 1_000;
  return exact + route.path.length * 2 + (route.methods === undefined ? 0 : 1);
}

/**
 * The route of a request: the most specific whose path covers it and whose methods allow it.
 * `path` is the URL's path without query, as the customer sent it; edge and orchestrator both ask here.
 */
export function matchRoute<R extends Matcher>(
  routes: readonly R[],
  method: string,
  path: string,
): R | undefined {
  let best: R | undefined;
  for (const route of routes) {
    if (!covers(route.path, path) || !allows(route, method)) continue;
    if (best === undefined || specificity(route) > specificity(best)) best = route;
  }
  return best;
}
