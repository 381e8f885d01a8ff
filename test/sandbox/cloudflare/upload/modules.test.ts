import { expect, test } from 'vitest';
import { modulesOf, wireModules } from './modules.ts';
import { MAX_MODULES_BYTES } from './multipart.ts';

const main = { name: 'index.js', filename: 'index.js', contentType: 'application/javascript+module' };
const sized = (bytes: number) => ({
  name: 'data.bin',
  filename: undefined,
  contentType: 'application/octet-stream',
  bytes: Buffer.alloc(bytes),
});

test('all modules together may have 64 MiB, and not a byte more (10027)', () => {
  const code = { ...main, bytes: Buffer.from('1') };
  expect(modulesOf([code, sized(MAX_MODULES_BYTES - 1)], 'index.js')).toHaveLength(2);
  expect(() => modulesOf([code, sized(MAX_MODULES_BYTES)], 'index.js')).toThrow(
    expect.objectContaining({ status: 413, code: 10027 }),
  );
});

test('a source map is kept and never loaded', () => {
  const map = { ...main, name: 'index.js.map', filename: undefined, contentType: 'application/source-map' };
  const modules = modulesOf(
    [
      { ...main, bytes: Buffer.from('1') },
      { ...map, bytes: Buffer.from('{}') },
    ],
    'index.js',
  );
  expect(modules).toHaveLength(2);
  expect(wireModules(modules)).toEqual({ 'index.js': { js: '1' } });
});
