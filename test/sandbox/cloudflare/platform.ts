import type { RequestListener } from 'node:http';
import { SCRIPT_HEADER, TOKEN_HEADER, VERSION_HEADER } from './runner/wire.ts';
import { chooseVersion, OVERRIDES_HEADER } from './serve/choose.ts';
import { WorkerPorts } from './serve/ports.ts';
import { forward } from './serve/proxy.ts';
import type { Runner } from './serve/runner.ts';
import { currentDeployment, type Script } from './store/records.ts';
import { Store } from './store/store.ts';

/** Who may call the API, and for which account. */
export interface AccountOptions {
  accountId: string;
  apiToken: string;
}

/** Everything behind the API: the account's scripts, the ports they answer on, and the runner. */
export class Platform {
  readonly account: AccountOptions;
  readonly store: Store;
  readonly ports: WorkerPorts;
  readonly runner: Runner;
  readonly now: () => number;

  private constructor(account: AccountOptions, store: Store, runner: Runner, now: () => number) {
    this.account = account;
    this.store = store;
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
    const platform = new Platform(account, await Store.open(dataDir), runner, now);
    for (const script of platform.store.list()) await platform.reopen(script);
    return platform;
  }

  /** Where the Worker answers; undefined while its subdomain is disabled. */
  urlOf(script: Script): string | undefined {
    return script.subdomain.enabled && script.port !== undefined
      ? `http://localhost:${script.port}`
      : undefined;
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
      const script = this.store.get(name);
      if (!script) {
        res.writeHead(404).end();
        return;
      }
      const overrides = req.headers[OVERRIDES_HEADER];
      const version = chooseVersion(
        currentDeployment(script),
        name,
        typeof overrides === 'string' ? overrides : undefined,
        Math.random,
      );
      forward(req, res, this.runner.port, {
        [TOKEN_HEADER]: this.runner.token,
        [SCRIPT_HEADER]: name,
        [VERSION_HEADER]: version,
      });
    };
  }
}
