/** What the edge's workerd is given. */
export interface EdgeConfig {
  readonly compatibilityDate: string;
  readonly compatibilityFlags: readonly string[];
  readonly port: number;
  readonly adminPort: number;
  readonly adminToken: string;
  readonly ipv6: boolean;
  /** Text bindings of the Worker. */
  readonly vars: Readonly<Record<string, string>>;
  /** Absolute folders that hold the objects' and D1's databases. */
  readonly objectsDir: string;
  readonly d1Dir: string;
  /** Absolute folder of the dashboard's files. */
  readonly assetsDir: string;
}

/** Names the one database inside Miniflare's D1 simulator. */
const D1_NAME = 'orc';

/** JSON's escapes are valid in a Cap'n Proto text literal as long as the value is ASCII. */
const text = (value: string): string => JSON.stringify(value);

/**
 * The sockets of one port. What stands before the Worker overwrites `CF-Connecting-IP`, as Cloudflare does:
 * bare workerd would pass a customer's own through.
 */
function sockets({ port, adminPort, ipv6 }: EdgeConfig): string {
  const socket = (host: string, ip: string) =>
    `(name = ${text(ip)}, address = ${text(`${host}:${port}`)}, service = "edge",
      http = (injectRequestHeaders = [(name = "CF-Connecting-IP", value = ${text(ip)})]))`;
  const admin = `(name = "admin", address = "127.0.0.1:${adminPort}", http = (), service = "admin")`;
  return [socket('127.0.0.1', '127.0.0.1'), ...(ipv6 ? [socket('[::1]', '::1')] : []), admin].join(',\n    ');
}

const vars = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([name, value]) => `(name = ${text(name)}, text = ${text(value)}),`)
    .join('\n    ');

/** Miniflare's simulator, told by its props which database. */
const D1_ENTRY = `(name = "d1:entry", props = (json = ${text(JSON.stringify({ MINIFLARE_NAMESPACE: D1_NAME }))}))`;
/** The binding as workerd's own D1 client wants it: it is given the fetcher that it speaks to. */
const d1Binding = (service: string): string =>
  `(name = "DB", wrapped = (moduleName = "cloudflare-internal:d1-api", innerBindings = [
      (name = "fetcher", service = ${service})]))`;

/**
 * Bare workerd running the edge Worker as Cloudflare would: Durable Objects on SQLite on disk, and D1 by the
 * very simulator that wrangler uses. It is the fastest local layer (wrangler dev is 6–10 times slower), and one
 * process whose SIGKILL is the edge's.
 */
export const edgeCapnp = (config: EdgeConfig): string => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "edge", worker = .edge),
    (name = "admin", worker = .admin),
    (name = "objects-disk", disk = (path = ${text(config.objectsDir)}, writable = true)),
    (name = "d1-disk", disk = (path = ${text(config.d1Dir)}, writable = true)),
    (name = "assets", worker = .assets),
    (name = "assets-disk", disk = (path = ${text(config.assetsDir)})),
    (name = "d1:gate", worker = .d1Gate),
    (name = "d1:entry", worker = .d1Entry),
    (name = "d1:database", worker = .d1Database),
    (name = "nothing", worker = .nothing),
  ],
  extensions = [(modules = [
    (name = "miniflare:shared", esModule = embed "index.worker.js"),
    (name = "miniflare:zod", esModule = embed "zod.worker.js"),
  ])],
  sockets = [
    ${sockets(config)}
  ],
);
const edge :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = ${text(config.compatibilityDate)},
  compatibilityFlags = [${config.compatibilityFlags.map(text).join(', ')}],
  durableObjectNamespaces = [
    (className = "Channel", uniqueKey = "channel", enableSql = true),
    (className = "Hub", uniqueKey = "hub", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "objects-disk"),
  bindings = [
    (name = "CHANNEL", durableObjectNamespace = "Channel"),
    (name = "HUB", durableObjectNamespace = "Hub"),
    (name = "ASSETS", service = "assets"),
    ${vars(config.vars)}
    ${d1Binding('(name = "d1:gate")')},
  ],
);
const admin :Workerd.Worker = (
  modules = [(name = "admin.js", esModule = embed "admin.js")],
  compatibilityDate = ${text(config.compatibilityDate)},
  # Gives service bindings a "scheduled", too.
  compatibilityFlags = ["service_binding_extra_handlers"],
  bindings = [
    (name = "TOKEN", text = ${text(config.adminToken)}),
    (name = "EDGE", service = "edge"),
    (name = "GATE", service = (name = "d1:gate", entrypoint = "gate")),
    ${d1Binding(D1_ENTRY)},
  ],
);
const assets :Workerd.Worker = (
  modules = [(name = "assets.js", esModule = embed "assets.js")],
  compatibilityDate = ${text(config.compatibilityDate)},
  bindings = [(name = "FILES", service = "assets-disk")],
);
# Before the edge's D1 alone, so that it can fail and be slow: the admin Worker goes past it.
const d1Gate :Workerd.Worker = (
  modules = [(name = "gate.js", esModule = embed "gate.js")],
  compatibilityDate = ${text(config.compatibilityDate)},
  bindings = [(name = "ENTRY", service = ${D1_ENTRY})],
);
const d1Entry :Workerd.Worker = (
  modules = [(name = "entry.worker.js", esModule = embed "entry.worker.js")],
  compatibilityDate = "2023-07-24",
  compatibilityFlags = ["enhanced_error_serialization"],
  bindings = [(name = "MINIFLARE_OBJECT",
    durableObjectNamespace = (className = "D1DatabaseObject", serviceName = "d1:database"))],
);
const d1Database :Workerd.Worker = (
  modules = [(name = "database.worker.js", esModule = embed "database.worker.js")],
  compatibilityDate = "2023-07-24",
  compatibilityFlags = ["nodejs_compat", "experimental"],
  durableObjectNamespaces = [(className = "D1DatabaseObject", uniqueKey = "miniflare-D1DatabaseObject", enableSql = true)],
  durableObjectStorage = (localDisk = "d1-disk"),
  bindings = [(name = "MINIFLARE_BLOBS", service = "d1-disk"), (name = "MINIFLARE_LOOPBACK", service = "nothing")],
);
# The simulator logs through Miniflare, which is not here.
const nothing :Workerd.Worker = (
  serviceWorkerScript = "addEventListener('fetch', (event) => event.respondWith(new Response(null)))",
  compatibilityDate = "2023-07-24",
);
`;
