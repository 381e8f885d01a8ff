import { expect, test, vi } from 'vitest';
import { Cleanup } from './cleanup.ts';

test('what was started last is ended first, and each is ended once', async () => {
  const ended: string[] = [];
  const cleanup = new Cleanup();
  for (const name of ['a', 'b']) cleanup.add(async () => ended.push(name));
  await Promise.all([cleanup.run(), cleanup.run()]);
  expect(ended).toEqual(['b', 'a']);
});

test('one that fails to end is told, and does not keep the others', async () => {
  const told = vi.spyOn(console, 'error').mockReturnValue(undefined);
  const close = vi.fn();
  const cleanup = new Cleanup();
  cleanup.add(close);
  cleanup.add(() => Promise.reject(new Error('stuck')));
  await cleanup.run();
  expect(close).toHaveBeenCalledOnce();
  expect(told).toHaveBeenCalledOnce();
  told.mockRestore();
});

test('once cleaning up has begun nothing more may be started', () => {
  const cleanup = new Cleanup();
  void cleanup.run();
  expect(() => cleanup.add(() => undefined)).toThrow('interrupted');
});
