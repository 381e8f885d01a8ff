import { expect, it } from 'vitest';
import { counted } from './counted.ts';

it.each([
  [counted(0, 'site'), '0 sites'],
  [counted(1, 'site'), '1 site'],
  [counted(2, 'site'), '2 sites'],
  [counted(1, 'entry', 'entries'), '1 entry'],
  [counted(2, 'site is', 'sites are'), '2 sites are'],
])('a noun is in the number of what is counted: %s', (said, expected) => {
  expect(said).toBe(expected);
});
