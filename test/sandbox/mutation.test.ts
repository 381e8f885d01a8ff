import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mutate } from './mutation.ts';
import { ROOT } from './parts.ts';

const mutation = { name: 'm', file: 'a.ts', find: 'one', replace: '$& two' };
const path = join(ROOT, 'a.ts');

test('a fault is put into the file that it names, as it is written, and into no other', () => {
  expect(mutate(path, 'x one y', [mutation])).toBe('x $& two y');
  expect(mutate(join(ROOT, 'b.ts'), 'x one y', [mutation])).toBe('x one y');
});

test.for(['none', 'one one'])('a place that is there not once but in "%s" ends the test', (source) => {
  expect(() => mutate(path, source === 'none' ? '' : source, [mutation])).toThrow(/not once/);
});
