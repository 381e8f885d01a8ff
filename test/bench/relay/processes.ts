import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { FOR_WORKERD } from '../../../orchestrator/src/cli/bundle/for-workerd.ts';
import { readSettings } from '../../sandbox/edge/settings.ts';
import { Part, type PartSpec } from '../../sandbox/processes/part.ts';
import { workerdBinary } from '../../sandbox/processes/workerd.ts';
import type { Cleanup } from '../cleanup.ts';

export interface Own {
  /** A folder of its own, for what is written down. */
  readonly dir: string;
  readonly cleanup: Cleanup;
}

type Spec = Pick<PartSpec, 'name' | 'command' | 'args' | 'isUp'> & { readonly env?: Record<string, string> };

/** Nothing here has anything to finish. */
const GRACE_MS = 300;

/**
 * Starts a process and waits until it answers; one that dies makes the errors that fail the benchmark.
 * @returns its pid
 */
export async function start({ dir, cleanup }: Own, spec: Spec): Promise<number> {
  const output = { file: join(dir, `${spec.name}.log`) };
  const events = {
    changed: () => undefined,
    revived: (name: string, how: string) => console.error(`${name} died (${how})`),
  };
  const part = new Part({ env: {}, ...spec, output, graceMs: GRACE_MS }, events);
  cleanup.add(() => part.stop());
  await part.start();
  if (part.pid === undefined) throw new Error(`${spec.name} has ended`);
  return part.pid;
}

export const node = (file: string) => ({
  command: process.execPath,
  args: [join(import.meta.dirname, file)],
});

export interface WorkerSpec {
  /** Relative to this folder. */
  readonly entry: string;
  readonly port: number;
  /** Text bindings. */
  readonly vars: Readonly<Record<string, string>>;
  /** Its Durable Object, which stores nothing, and the binding's name. */
  readonly object?: { readonly className: string; readonly binding: string };
}

const text = (value: string): string => JSON.stringify(value);

function capnp({ port, vars, object }: WorkerSpec, compatibilityDate: string): string {
  const bindings = Object.entries(vars).map(
    ([name, value]) => `(name = ${text(name)}, text = ${text(value)})`,
  );
  if (object !== undefined) {
    bindings.push(`(name = ${text(object.binding)}, durableObjectNamespace = ${text(object.className)})`);
  }
  const objects = object === undefined ? '' : `(className = ${text(object.className)}, uniqueKey = "it")`;
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["private", "local"])),
  ],
  sockets = [(name = "http", address = ${text(`127.0.0.1:${port}`)}, http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = ${text(compatibilityDate)},
  bindings = [${bindings.join(', ')}],
  durableObjectNamespaces = [${objects}],
  durableObjectStorage = (inMemory = void),
);
`;
}

/** Bundles a Worker as the edge is bundled. @returns how to run it in a bare workerd of its own */
export async function workerd(dir: string, spec: WorkerSpec): Promise<{ command: string; args: string[] }> {
  mkdirSync(dir, { recursive: true });
  await build({
    entryPoints: { worker: join(import.meta.dirname, spec.entry) },
    outdir: dir,
    ...FOR_WORKERD,
  });
  const { compatibilityDate } = await readSettings();
  const file = join(dir, 'worker.capnp');
  writeFileSync(file, capnp(spec, compatibilityDate));
  return { command: workerdBinary(), args: ['serve', '--experimental', file] };
}
