import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const TEMPORARY = '.tmp';

/**
 * Writes to a name beside the target, then renames over it: a reader, or a process started after a
 * SIGKILL, sees the old file or the new one, never half of it.
 */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}${TEMPORARY}`;
  await writeFile(temporary, content, { mode: 0o600 });
  await rename(temporary, path);
}

/** Removes what a killed process left half written. */
export async function removeTemporaries(dir: string): Promise<void> {
  const left = (await readdir(dir)).filter((name) => name.endsWith(TEMPORARY));
  await Promise.all(left.map((name) => rm(join(dir, name), { force: true })));
}

/** Bytes kept once per SHA-256, in one file each. */
export class Blobs {
  private readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  async open(): Promise<void> {
    await mkdir(this.dir, { recursive: true });
    await removeTemporaries(this.dir);
  }

  async put(bytes: Uint8Array): Promise<string> {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await replaceFile(join(this.dir, sha256), bytes);
    return sha256;
  }

  get(sha256: string): Promise<Buffer> {
    return readFile(join(this.dir, sha256));
  }

  /** Deletes every blob that is not named; call only while nothing is being uploaded. */
  async keepOnly(named: ReadonlySet<string>): Promise<void> {
    const unnamed = (await readdir(this.dir)).filter((name) => !named.has(name));
    await Promise.all(unnamed.map((name) => rm(join(this.dir, name), { force: true })));
  }
}
