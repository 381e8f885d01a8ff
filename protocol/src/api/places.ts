/**
 * A place in the dashboard, by its path on the console's host. The edge serves the same page at each, and the page shows
 * what its path says.
 */
export type Place =
  | { readonly at: 'overview' }
  | { readonly at: 'sites' }
  | { readonly at: 'site'; readonly siteId: string };

/** @returns undefined for a path that is none */
export function placeOf(path: string): Place | undefined {
  if (path === '/') return { at: 'overview' };
  if (path === '/sites') return { at: 'sites' };
  const siteId = /^\/sites\/([a-z0-9-]+)$/.exec(path)?.[1];
  return siteId === undefined ? undefined : { at: 'site', siteId };
}

export function pathOfPlace(place: Place): string {
  switch (place.at) {
    case 'overview':
      return '/';
    case 'sites':
      return '/sites';
    case 'site':
      return `/sites/${place.siteId}`;
  }
}
