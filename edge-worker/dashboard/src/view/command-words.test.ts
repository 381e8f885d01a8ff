import { expect, it } from 'vitest';
import { doing } from './command-words.ts';

it.each([
  ['deploy_worker', 'hello', 'Deploy hello'],
  ['deploy_worker', '', 'Deploy a Worker'],
  ['adopt_worker', 'hello', 'Take hello over'],
  ['update_config', 'generation 7', 'Config generation 7'],
  ['update_config', '', 'Change the config'],
] as const)('%s of “%s” is “%s”', (type, subject, words) => {
  expect(doing({ type, subject })).toBe(words);
});
