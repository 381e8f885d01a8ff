import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Blobs, removeTemporaries, replaceFile } from './files.ts';
import { keyOf, Script } from './records.ts';

/** Computes a script's next state from its present one; `undefined` means that there is no such script. */
export type Change = (present: Script | undefined) => Promise<Script | undefined>;

/**
 * The account's scripts, on disk: one JSON file per script, replaced atomically, and the modules as
 * blobs. A script's file names its blobs and is written after them, so a SIGKILL at any time leaves
 * the state before or after a change.
 */
export class Store {
  readonly blobs: Blobs;
  private readonly dir: string;
  private readonly scripts = new Map<string, Script>();
  private readonly tails = new Map<string, Promise<unknown>>();

  private constructor(dataDir: string) {
    this.dir = join(dataDir, 'scripts');
    this.blobs = new Blobs(join(dataDir, 'blobs'));
  }

  static async open(dataDir: string): Promise<Store> {
    const store = new Store(dataDir);
    await mkdir(store.dir, { recursive: true, mode: 0o700 });
    await removeTemporaries(store.dir);
    await store.blobs.open();
    for (const file of await readdir(store.dir)) {
      const script = Script.parse(JSON.parse(await readFile(join(store.dir, file), 'utf8')));
      store.scripts.set(keyOf(script), script);
    }
    await store.blobs.keepOnly(store.namedBlobs());
    return store;
  }

  /** By `keyOf`. */
  get(key: string): Script | undefined {
    return this.scripts.get(key);
  }

  /** The account's own scripts, or those of a dispatch namespace. */
  list(namespace?: string): Script[] {
    return this.all()
      .filter((script) => script.namespace === namespace)
      .toSorted((a, b) => a.name.localeCompare(b.name));
  }

  all(): Script[] {
    return [...this.scripts.values()];
  }

  /** Changes to one script happen one after the other; a change that throws changes nothing. */
  update(key: string, change: Change): Promise<Script | undefined> {
    const turn = (this.tails.get(key) ?? Promise.resolve()).then(() => this.apply(key, change));
    const settled = turn.catch(() => undefined);
    this.tails.set(key, settled);
    void settled.then(() => this.tails.get(key) === settled && this.tails.delete(key));
    return turn;
  }

  private async apply(key: string, change: Change): Promise<Script | undefined> {
    const next = await change(this.scripts.get(key));
    const path = join(this.dir, `${encodeURIComponent(key)}.json`);
    if (next) {
      await replaceFile(path, JSON.stringify(next));
      this.scripts.set(key, next);
    } else {
      await rm(path, { force: true });
      this.scripts.delete(key);
    }
    return next;
  }

  private namedBlobs(): Set<string> {
    const versions = this.all().flatMap((script) => script.versions);
    return new Set(versions.flatMap((version) => version.modules.map((module) => module.sha256)));
  }
}
