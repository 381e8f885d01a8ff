import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { workerdBinary } from '../../processes/workerd.ts';

export interface RunnerOptions {
  /**
   * A folder of its own: the config and the bundled Worker are written there, afresh at every call; what Durable
   * Objects store stays.
   */
  dir: string;
  /** The runner's port on 127.0.0.1. */
  port: number;
  /** Origin of the stand-in's API, for example `http://127.0.0.1:8791`, without `/client/v4`. */
  apiInternalUrl: string;
  /** The secret that `main.ts` has as `RUNNER_TOKEN`. */
  token: string;
}

/** JSON's string escapes are all valid in a Cap'n Proto text literal, except \u: keep values ASCII. */
const text = (value: string): string => JSON.stringify(value);

const config = (options: RunnerOptions): string => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .runner),
    # A deployed Worker's own fetch() may reach loopback too: in the sandbox the edge is there.
    (name = "internet", network = (allow = ["public", "private", "local"], tlsOptions = (trustBrowserCas = true))),
    (name = "objects", disk = (path = ${text(objectsDir(options))}, writable = true)),
  ],
  sockets = [(name = "http", address = ${text(`127.0.0.1:${options.port}`)}, http = (), service = "main")],
);
const runner :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-11-01",
  # Lets a Worker hand a queue's messages to another one, which is still an experiment.
  compatibilityFlags = ["service_binding_extra_handlers"],
  durableObjectNamespaces = [(className = "Host", uniqueKey = "uploaded", enableSql = true)],
  durableObjectStorage = (localDisk = "objects"),
  bindings = [
    (name = "HOST", durableObjectNamespace = "Host"),
    (name = "LOADER", workerLoader = (id = "uploaded")),
    (name = "API_URL", text = ${text(options.apiInternalUrl)}),
    (name = "TOKEN", text = ${text(options.token)}),
  ],
);
`;

const objectsDir = ({ dir }: RunnerOptions): string => join(dir, 'objects');

function bundled(file: string, define: Record<string, string> = {}): string {
  const built = buildSync({
    entryPoints: [join(import.meta.dirname, file)],
    ...{ bundle: true, write: false, format: 'esm', target: 'esnext', logLevel: 'silent', define },
    external: ['cloudflare:workers'],
  });
  return built.outputFiles[0]?.text ?? '';
}

/**
 * Writes the runner's workerd config and answers how to spawn it. It listens once the process runs; the
 * stand-in answers 503 on the Workers' ports until then. All that it keeps is on disk: kill and start it at will.
 */
export function runnerConfig(options: RunnerOptions): { command: string; args: string[] } {
  mkdirSync(objectsDir(options), { recursive: true });
  const inside = JSON.stringify(bundled('inside.ts'));
  writeFileSync(join(options.dir, 'worker.js'), bundled('worker.ts', { INSIDE_SOURCE: inside }));
  const path = join(options.dir, 'runner.capnp');
  writeFileSync(path, config(options), { mode: 0o600 });
  return { command: workerdBinary(), args: ['serve', '--experimental', path] };
}
