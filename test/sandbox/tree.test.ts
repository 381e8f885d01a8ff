import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { watchTree } from './tree.ts';

/** A folder that is watched, and the paths in it that have changed since this was asked last. */
function watched() {
  const root = mkdtempSync(join(tmpdir(), 'tree.'));
  mkdirSync(join(root, 'a', 'b'), { recursive: true });
  const file = join(root, 'a', 'b', 'file.ts');
  writeFileSync(file, '0');
  let changed: string[] = [];
  const stop = watchTree(root, (path) => changed.push(path));
  onTestFinished(() => {
    stop();
    rmSync(root, { recursive: true });
  });
  const tells = (path: string) => expect.poll(() => changed, { timeout: 2_000 }).toContain(path);
  return {
    root,
    file,
    /** Does this, and waits until the file is told of. */
    sees: async (path: string, act: () => void) => {
      changed = [];
      act();
      await tells(path);
    },
  };
}

/** As an editor does that never leaves half a file behind. */
function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

it('every save is told of, also when the editor replaces the file each time', async () => {
  const { file, sees } = watched();
  for (const text of ['1', '2', '3', '4']) await sees(file, () => replace(file, text));
  await sees(file, () => writeFileSync(file, '5'));
});

it('a folder that is new, or is there again, is watched like the others', async () => {
  const { root, sees } = watched();
  const folder = join(root, 'a', 'new');
  for (let times = 0; times < 2; times++) {
    await sees(folder, () => mkdirSync(folder));
    const file = join(folder, 'deep', 'file.ts');
    await sees(join(folder, 'deep'), () => mkdirSync(join(folder, 'deep')));
    await sees(file, () => replace(file, 'x'));
    await sees(folder, () => rmSync(folder, { recursive: true }));
  }
});
