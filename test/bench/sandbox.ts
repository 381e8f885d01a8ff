import { join } from 'node:path';
import type { PartEnv } from '../sandbox/parts.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import type { SandboxFile } from '../sandbox/sandbox-file.ts';
import type { Cleanup } from './cleanup.ts';

/** The system itself, in a folder and on ports of its own: ended by the cleanup even while it is still starting. */
export async function ownSandbox(dir: string, cleanup: Cleanup, env: PartEnv = {}): Promise<SandboxFile> {
  const sandbox = await Sandbox.prepare({ dir: join(dir, 'sandbox'), ports: 'free', env });
  cleanup.add(() => sandbox.stop());
  await sandbox.start();
  return sandbox.file;
}
