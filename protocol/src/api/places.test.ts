import { expect, it } from 'vitest';
import { pathOfPlace, placeOf } from './places.ts';

it.each([
  ['/', { at: 'overview' }],
  ['/sites', { at: 'sites' }],
  ['/sites/corner-shop-2', { at: 'site', siteId: 'corner-shop-2' }],
] as const)('%s is a place of the dashboard, and back', (path, place) => {
  expect(placeOf(path)).toEqual(place);
  expect(pathOfPlace(place)).toBe(path);
});

it.each(['/sites/', '/sites/a/b', '/sites/a%2Fb', '/nowhere', '/api/v1/sites'])('%s is none', (path) => {
  expect(placeOf(path)).toBeUndefined();
});
