import { expect, test } from 'vitest';
import { numbers } from './options.ts';

const defaults = { rounds: 7, seconds: 1.5 };

test('what is not said keeps its default', () => {
  expect(numbers(['--rounds', '3'], defaults)).toEqual({ rounds: 3, seconds: 1.5 });
});

test.each([['--rounds', '0'], ['--rounds', 'many'], ['--seconds', '-1'], ['--speed', '3'], ['stray']])(
  '%s %s is refused',
  (...args) => expect(() => numbers(args, defaults)).toThrow(),
);
