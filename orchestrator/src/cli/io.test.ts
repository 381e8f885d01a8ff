import { expect, it } from 'vitest';
import { inert, table } from './io.ts';

it('what others have written gives the terminal no commands', () => {
  expect(inert('a\u001b[2Jb\r\n\tc\u009b31m')).toBe('a\ufffd[2Jb\ufffd\n\tc\ufffd31m');
});

it('a cell stays in its row, whatever is in it', () => {
  expect(
    table([
      ['shop', 'a\r\nfake'],
      ['b', 'c'],
    ]),
  ).toBe('shop  a fake\nb     c');
});
