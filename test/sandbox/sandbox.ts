import { join, resolve } from 'node:path';
import { runnerConfig } from './cloudflare/index.ts';
import { type Control, ControlServer, howToEnd, isRunning } from './control/server.ts';
import { Cron } from './edge/cron.ts';
import { placeDashboard } from './edge/dashboard.ts';
import { EdgeDatabase } from './edge/database.ts';
import { bundleEdge, writeEdge } from './edge/files.ts';
import { type EdgeSettings, readSettings } from './edge/settings.ts';
import { describe, edgeVars, type Layout, layOut } from './layout.ts';
import { type Mutation, mutatedEnv } from './mutation.ts';
import { type PartEnv, type PartName, partSpecs, ROOT } from './parts.ts';
import { USUAL_PORTS } from './ports.ts';
import { endLeftovers } from './processes/leftovers.ts';
import { Part, type PartSpec } from './processes/part.ts';
import { notedPids, notePids, type Pids, publish, type SandboxFile, unpublish } from './sandbox-file.ts';
import { deployDemoPage } from './seed/demo-page.ts';
import { configureDemo, Operator } from './seed/demo-site.ts';
import { migrate } from './seed/migrations.ts';
import { DEMO, OTHER, register } from './seed/tenants.ts';

export interface SandboxOptions {
  /** The folder of all its state. */
  readonly dir: string;
  /** `usual`: 8787 and 3000 if they are free. `free`: none that a person would use. */
  readonly ports: 'usual' | 'free';
  /** Where the parts' output goes: files below `dir/logs`, or the terminal. */
  readonly output?: 'files' | 'terminal';
  /** Environment of a part over its own. */
  readonly env?: PartEnv;
  /** Faults in the sources of the edge and of the orchestrator. */
  readonly mutations?: readonly Mutation[];
  /** The demo site's page, with a Worker before it and a tag in it. */
  readonly demoPage?: boolean;
  /** Told what a person should know: a port that was taken, a part that died. */
  readonly say?: (line: string) => void;
}

/** The whole system on this machine: five processes, their data, and what the world is told of them. */
export class Sandbox implements Control {
  readonly layout: Layout;
  readonly cron: Cron;
  readonly #settings: EdgeSettings;
  readonly #parts: ReadonlyMap<string, Part>;
  readonly #control: ControlServer;
  readonly #about: Omit<SandboxFile, 'pids'>;
  readonly #wantsDemoPage: boolean;
  readonly #say: (line: string) => void;
  #demoUrl: string | undefined;
  #published = false;

  /** Prepares the folder; nothing runs yet. Fails when a sandbox already runs in it. */
  static async prepare(options: SandboxOptions): Promise<Sandbox> {
    const dir = resolve(options.dir);
    if (await isRunning(dir)) throw new Error(`a sandbox is already running in ${dir}: ${howToEnd(dir)}`);
    const left = endLeftovers(notedPids(dir), [ROOT, dir]);
    if (left.length > 0) options.say?.(`Ended what an earlier sandbox had left: ${left.join(', ')}.`);
    unpublish(dir);
    const wanted = options.ports === 'usual' ? USUAL_PORTS : {};
    const layout = await layOut(dir, wanted);
    for (const [name, port] of Object.entries(wanted)) {
      const got = layout.ports[name as keyof typeof USUAL_PORTS]; // The keys of a literal of that very type.
      if (got !== port) options.say?.(`Port ${port} is taken: the ${name} answers on ${got}.`);
    }
    const settings = await readSettings();
    await bundleEdge(join(dir, 'edge'), settings.entry, options.mutations);
    await placeDashboard(assetsDir(dir));
    return new Sandbox(layout, settings, options);
  }

  private constructor(
    layout: Layout,
    settings: EdgeSettings,
    { output = 'files', env = {}, mutations = [], demoPage = false, say = () => undefined }: SandboxOptions,
  ) {
    this.layout = layout;
    this.cron = new Cron(layout.urls.admin, layout.adminToken);
    this.#settings = settings;
    this.#about = describe(layout);
    this.#wantsDemoPage = demoPage;
    this.#say = say;
    const specs = partSpecs(
      layout,
      workerds(layout, settings),
      () => this.#part('edge').pid !== undefined,
      output,
      { ...env, orchestrator: { ...mutatedEnv(mutations), ...env.orchestrator } },
    );
    const events = {
      changed: () => this.#publish(),
      revived: (name: string, how: string) => say(`The ${name} ended (${how}) and was started again.`),
    };
    this.#parts = new Map(specs.map((spec) => [spec.name, new Part(spec, events)]));
    this.#control = new ControlServer(layout.dir, this);
  }

  /** As `.sandbox/sandbox.json` has it. */
  get file(): SandboxFile {
    const demoUrl = this.#demoUrl;
    return { ...this.#about, ...(demoUrl === undefined ? {} : { demoUrl }), pids: this.#pids() };
  }

  /** Starts every part, in the order in which they need each other, and waits until all of it answers. */
  async start(): Promise<void> {
    const besides = ['upstream', 'cloudflare', 'workers'].map((name) => this.#part(name).start());
    await Promise.all([this.#startChannel(), ...besides]);
    if (this.#wantsDemoPage) {
      // Everything else works without it.
      await this.deployDemoPage().catch((error: Error) =>
        this.#say(`There is no demo page: ${error.message}`),
      );
    }
    await this.#control.listen();
    this.#published = true;
    this.#publish();
  }

  /** The edge, what it must know, then the orchestrator: a key the edge has not heard of is refused. */
  async #startChannel(): Promise<void> {
    const { layout } = this;
    await this.#part('edge').start();
    const database = new EdgeDatabase(layout.urls.admin, layout.adminToken);
    await migrate(database, this.#settings);
    await register(database, DEMO, layout.key, Date.now());
    await register(database, OTHER, layout.otherKey, Date.now());
    await Promise.all([this.#part('orchestrator').start(), this.#createSites()]);
    const operator = new Operator(layout.urls.edge, this.#about.adminToken);
    this.cron.start();
    await configureDemo(operator, DEMO.siteId, layout.ports.upstream, layout.portsBefore?.upstream);
  }

  async #createSites(): Promise<void> {
    const { edge } = this.layout.urls;
    await new Operator(edge, this.#about.adminToken).createSite(DEMO);
    await new Operator(edge, this.#about.other.adminToken).createSite(OTHER);
  }

  /** How a part is run: for tests that run another one like it. */
  spec(name: PartName): PartSpec {
    return this.#part(name).spec;
  }

  has(name: string): boolean {
    return this.#parts.has(name);
  }

  startPart(name: string): Promise<void> {
    return this.#part(name).start();
  }

  stopPart(name: string): Promise<void> {
    return this.#part(name).stop();
  }

  /** Runs one statement in the edge's D1, as the existing API would. @returns its rows */
  async sql(statement: string): Promise<unknown[]> {
    const database = new EdgeDatabase(this.layout.urls.admin, this.layout.adminToken);
    const [rows = []] = await database.batch([{ sql: statement, params: [] }]);
    return rows;
  }

  /** The code of the edge or of its dashboard has changed: bundle it again, then restart it. A bundle that fails leaves the old one. */
  async reloadEdge(): Promise<void> {
    await bundleEdge(join(this.layout.dir, 'edge'), this.#settings.entry);
    await placeDashboard(assetsDir(this.layout.dir));
    await this.stopPart('edge');
    await this.startPart('edge');
  }

  /** Deploys what is new of the demo site's page. */
  async deployDemoPage(): Promise<void> {
    const operator = new Operator(this.layout.urls.edge, this.#about.adminToken);
    this.#demoUrl = await deployDemoPage(operator, this.#about, join(this.layout.dir, 'demo-page.json'));
    this.#publish();
  }

  /** Ends everything; the orchestrator first, so that it can say goodbye to the edge. */
  async stop(): Promise<void> {
    this.#published = false;
    unpublish(this.layout.dir);
    this.cron.stop();
    await this.#control.close();
    await this.#part('orchestrator').stop();
    await Promise.all([...this.#parts.values()].map((part) => part.stop()));
  }

  #part(name: PartName | string): Part {
    const part = this.#parts.get(name);
    if (part === undefined) throw new Error(`there is no part "${name}"`);
    return part;
  }

  #pids(): Pids {
    const running = [...this.#parts].flatMap(([name, { pid }]) => (pid === undefined ? [] : [[name, pid]]));
    return Object.fromEntries(running);
  }

  #publish(): void {
    notePids(this.layout.dir, this.#pids());
    if (this.#published) publish(this.layout.dir, this.file);
  }
}

const assetsDir = (dir: string): string => join(dir, 'edge', 'dashboard');

function workerds(layout: Layout, { compatibilityDate, compatibilityFlags }: EdgeSettings) {
  const { dir, ports, ipv6, adminToken, runnerToken } = layout;
  return {
    edge: writeEdge(join(dir, 'edge'), {
      compatibilityDate,
      compatibilityFlags,
      port: ports.edge,
      adminPort: ports.admin,
      adminToken,
      ipv6,
      vars: edgeVars(layout),
      objectsDir: join(dir, 'edge', 'objects'),
      d1Dir: join(dir, 'edge', 'd1'),
      assetsDir: assetsDir(dir),
    }),
    workers: runnerConfig({
      dir: join(dir, 'workers'),
      port: ports.workers,
      apiInternalUrl: `http://127.0.0.1:${ports.cloudflare}`,
      token: runnerToken,
    }),
  };
}

/** A sandbox that runs, for tests: everything answers when it is returned. */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const sandbox = await Sandbox.prepare(options);
  try {
    await sandbox.start();
    return sandbox;
  } catch (error) {
    await sandbox.stop();
    throw error;
  }
}
