import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs';
import { join, sep } from 'node:path';

/**
 * Tells of what changes in a folder and all below it, until stopped; each folder has a watcher of its own. Node's
 * `recursive` follows each file by its inode on Linux (https://nodejs.org/api/fs.html#inodes), and so loses one that an
 * editor replaces: it writes a new file and renames it over the old one.
 * @param changed is given the path of what has changed
 * @returns how to stop
 */
export function watchTree(root: string, changed: (path: string) => void): () => void {
  const watchers = new Map<string, FSWatcher>();
  const forget = (folder: string) => {
    for (const [path, watcher] of watchers) {
      if (path !== folder && !path.startsWith(folder + sep)) continue;
      watcher.close();
      watchers.delete(path);
    }
  };
  const add = (folder: string) => {
    const watcher = watch(folder, (event, name) => {
      const path = name === null ? folder : join(folder, name);
      if (event === 'rename' && path !== folder) refresh(path);
      changed(path);
    });
    watchers.set(
      folder,
      watcher.on('error', () => forget(folder)),
    );
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) add(join(folder, entry.name));
  };
  /** Something of this name has come or gone; a folder that is there again is another one. */
  const refresh = (path: string) => {
    forget(path);
    try {
      if (statSync(path).isDirectory()) add(path);
    } catch {
      // It is gone by now, or was moved: that is an event of its own.
      forget(path);
    }
  };
  add(root);
  return () => forget(root);
}
