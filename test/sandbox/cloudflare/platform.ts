import type { RequestListener } from 'node:http';
import { SCRIPT_HEADER, TOKEN_HEADER, VERSION_HEADER } from './runner/wire.ts';
import { chooseVersion, OVERRIDES_HEADER } from './serve/choose.ts';
import { Deliveries } from './serve/deliveries.ts';
import { WorkerPorts } from './serve/ports.ts';
import { forward } from './serve/proxy.ts';
import type { Runner } from './serve/runner.ts';
import { MessageStore } from './store/messages.ts';
import { currentDeployment, type Script } from './store/records.ts';
import { ResourceStore } from './store/resources.ts';
import { Store } from './store/store.ts';

interface Stores {
  store: Store;
  resources: ResourceStore;
  messages: MessageStore;
}

/** Who may call the API, and for which account. */
export interface AccountOptions {
  accountId: string;
  apiToken: string;
}

/** Everything behind the API: the account's scripts and queues, the ports they answer on, and the runner. */
export class Platform {
  readonly account: AccountOptions;
  readonly store: Store;
  readonly resources: ResourceStore;
  readonly deliveries: Deliveries;
  readonly ports: WorkerPorts;
  readonly runner: Runner;
  readonly now: () => number;

  private constructor(
    account: AccountOptions,
    { store, resources, messages }: Stores,
    runner: Runner,
    now: () => number,
  ) {
    this.account = account;
    this.store = store;
    this.resources = resources;
    this.deliveries = new Deliveries(messages, resources, {
      now,
      deliver: (queue, script, batch) => runner.deliver(queue, script, this.versionFor(script), batch),
    });
    this.runner = runner;
    this.now = now;
    this.ports = new WorkerPorts((script) => this.listenerFor(script), Math.random);
  }

  /** Reads the state and opens the port of every Worker that has its subdomain enabled. */
  static async open(
    dataDir: string,
    account: AccountOptions,
    runner: Runner,
    now: () => number,
  ): Promise<Platform> {
    const stores = {
      store: await Store.open(dataDir),
      resources: await ResourceStore.open(dataDir),
      messages: await MessageStore.open(dataDir),
    };
    const platform = new Platform(account, stores, runner, now);
    for (const script of platform.store.list()) await platform.reopen(script);
    platform.deliveries.begin();
    return platform;
  }

  /** Where the Worker answers; undefined while its subdomain is disabled. */
  urlOf(script: Script): string | undefined {
    return script.subdomain.enabled && script.port !== undefined
      ? `http://localhost:${script.port}`
      : undefined;
  }

  /** The version that serves one request, by the Worker's key; undefined when there is no such Worker. */
  versionFor(key: string, overrides?: string): string | undefined {
    const script = this.store.get(key);
    return script && chooseVersion(currentDeployment(script), script.name, overrides, Math.random);
  }

  async close(): Promise<void> {
    this.deliveries.close();
    await this.ports.closeAll();
  }

  private async reopen(script: Script): Promise<void> {
    if (!script.subdomain.enabled) return;
    const port = await this.ports.serve(script.name, script.port);
    if (port !== script.port) {
      console.error(`port ${script.port} of Worker ${script.name} is taken: it answers on ${port} now`);
      await this.store.update(script.name, async (present) => present && { ...present, port });
    }
  }

  private listenerFor(name: string): RequestListener {
    return (req, res) => {
      const overrides = req.headers[OVERRIDES_HEADER];
      const version = this.versionFor(name, typeof overrides === 'string' ? overrides : undefined);
      if (version === undefined) {
        res.writeHead(404).end();
        return;
      }
      forward(req, res, this.runner.port, {
        [TOKEN_HEADER]: this.runner.token,
        [SCRIPT_HEADER]: name,
        [VERSION_HEADER]: version,
      });
    };
  }
}
