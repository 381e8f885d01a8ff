import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { FOR_WORKERD } from '../../../orchestrator/src/cli/bundle/for-workerd.ts';
import { requiredNodeModules } from '../../../orchestrator/src/cli/bundle/node-modules.ts';
import { type Mutation, mutating } from '../mutation.ts';
import { fromWrangler, workerdBinary } from '../processes/workerd.ts';
import { type EdgeConfig, edgeCapnp } from './capnp.ts';

const ADMIN_SOURCE = join(import.meta.dirname, 'admin.ts');
const GATE_SOURCE = join(import.meta.dirname, 'gate.ts');
const ASSETS_SOURCE = join(import.meta.dirname, 'assets.ts');
const D1_WORKERS = ['d1/entry', 'd1/database', 'shared/index', 'shared/zod'];

/**
 * Bundles the edge Worker whose entry is `source`, as wrangler would, and the sandbox's own Workers, into `dir`.
 * The mutations are made in the edge's sources on their way into the bundle.
 */
export async function bundleEdge(
  dir: string,
  source: string,
  mutations: readonly Mutation[] = [],
): Promise<void> {
  mkdirSync(dir, { recursive: true });
  await build({
    entryPoints: { worker: source, admin: ADMIN_SOURCE, gate: GATE_SOURCE, assets: ASSETS_SOURCE },
    outdir: dir,
    ...FOR_WORKERD,
    plugins: [requiredNodeModules, mutating(mutations)],
    define: { 'process.env.NODE_ENV': '"production"' },
    sourcemap: 'inline',
  });
}

/** Writes workerd's config beside the bundle. @returns how to spawn the edge */
export function writeEdge(dir: string, config: EdgeConfig): { command: string; args: string[] } {
  for (const folder of [config.objectsDir, config.d1Dir, config.assetsDir])
    mkdirSync(folder, { recursive: true });
  const workers = join(dirname(fromWrangler.resolve('miniflare')), 'workers');
  for (const name of D1_WORKERS) {
    const [, file] = name.split('/');
    copyFileSync(join(workers, `${name}.worker.js`), join(dir, `${file}.worker.js`));
  }
  const path = join(dir, 'edge.capnp');
  writeFileSync(path, edgeCapnp(config), { mode: 0o600 }); // It holds the secret of the users' tokens.
  return { command: workerdBinary(), args: ['serve', '--experimental', path] };
}
