import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DATABASE_FILE } from '../../orchestrator/src/store/index.ts';
import { eventually } from '../eventually.ts';
import { EdgeDatabase } from '../sandbox/edge/database.ts';
import type { D1State } from '../sandbox/edge/gate.ts';
import type { Mutation } from '../sandbox/mutation.ts';
import { becomes } from '../sandbox/processes/polling.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import type { SandboxFile } from '../sandbox/sandbox-file.ts';
import { Operator } from '../sandbox/seed/demo-site.ts';
import { DEMO } from '../sandbox/seed/tenants.ts';
import { Cable } from './cable.ts';
import { type Fault, SITES, type Strike, type Victim } from './plan.ts';

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whoever asks says by its checks what an answer is.
  readonly json: any;
}

export interface RigOptions {
  readonly mutations?: readonly Mutation[];
}

/** Looks at what the dead have left, before they are started again. */
export type WhileDead = (dead: ReadonlySet<Victim>) => void;

/** An answer takes this at most; then the caller gives up and asks again. */
const ANSWER_WITHIN_MS = 10_000;
const DIES_WITHIN_MS = 5_000;
/** A moment that does not come (nothing may cross while an earlier fault holds everything up) is now. */
const STRIKES_WITHIN_MS = 2_000;

/** The whole system as processes, with a cable between the orchestrator and the edge, and what is done to them. */
export class Rig {
  readonly sandbox: Sandbox;
  readonly cable: Cable;
  readonly database: EdgeDatabase;
  readonly #dir: string;
  #starting: Promise<void>[] = [];

  static async start({ mutations = [] }: RigOptions = {}): Promise<Rig> {
    const dir = mkdtempSync(join(tmpdir(), 'faults-'));
    const cable = await Cable.open();
    const sandbox = await Sandbox.prepare({
      dir,
      ports: 'free',
      mutations,
      env: {
        orchestrator: { EDGE_URL: cable.url },
        // Cloudflare's own budget would be used up by the first minutes of what is done here.
        cloudflare: { RATE_LIMIT_CALLS: '1000000' },
      },
    }).catch(async (error: unknown) => {
      await cable.close();
      rmSync(dir, { recursive: true });
      throw error;
    });
    const rig = new Rig(dir, sandbox, cable);
    try {
      await rig.#open();
      return rig;
    } catch (error) {
      await rig.stop();
      throw error;
    }
  }

  private constructor(dir: string, sandbox: Sandbox, cable: Cable) {
    this.#dir = dir;
    this.sandbox = sandbox;
    this.cable = cable;
    const { urls, adminToken, ports } = sandbox.layout;
    this.database = new EdgeDatabase(urls.admin, adminToken);
    cable.plugIn(ports.edge);
  }

  async #open(): Promise<void> {
    await this.sandbox.start();
    const operator = new Operator(this.file.edgeUrl, this.file.adminToken);
    for (const siteId of SITES) await operator.createSite({ ...DEMO, siteId, siteName: siteId });
  }

  get file(): SandboxFile {
    return this.sandbox.file;
  }

  /** Where the VPS keeps its database. */
  get vpsDatabase(): string {
    return join(this.sandbox.spec('orchestrator').env['DATA_DIR'] ?? '', DATABASE_FILE);
  }

  /** A request to the console by the demo organisation's admin. Rejects when nobody answers. */
  async api(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(this.file.edgeUrl + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        authorization: `Bearer ${this.file.adminToken}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    return { status: response.status, json: await response.json().catch(() => null) };
  }

  /** A customer's request to the demo site. @returns its status */
  async request(path: string): Promise<number> {
    const { relayUrl, siteId } = this.file;
    const response = await fetch(`${relayUrl}/s/${siteId}${path}`, {
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    await response.body?.cancel();
    return response.status;
  }

  /** Rows of the shared tables have changed: without it they would go with the next cron, which does not run here. */
  async nudge(): Promise<void> {
    const nudge = () => this.api('/api/v1/sync', {});
    await eventually('the edge is told of changed rows', nudge, ({ status }) => status === 202, 60_000);
  }

  /** Waits for the strike's moment, or until `over`, and does it. */
  async strike(
    { direction, pieces, delayMs, fault }: Strike,
    over: AbortSignal,
    whileDead: WhileDead,
  ): Promise<void> {
    const late = AbortSignal.timeout(STRIKES_WITHIN_MS);
    await this.cable.crossed(direction, pieces, AbortSignal.any([over, late]));
    if (delayMs > 0) await delay(delayMs);
    await this.#do(fault, whileDead);
  }

  async #do(fault: Fault, whileDead: WhileDead): Promise<void> {
    switch (fault.kind) {
      case 'kill':
        await this.kill(fault.victims, whileDead);
        return;
      case 'cut':
        this.cable.cut();
        return;
      case 'slow':
        this.cable.slow(fault.ms);
        return;
      case 'black hole':
        this.cable.swallow();
        await delay(fault.ms);
        if (fault.end === 'cut') this.cable.cut();
        this.cable.mend();
        return;
      case 'd1':
        await this.#d1(fault.state);
        return;
      default:
        fault satisfies never;
    }
  }

  /** SIGKILL to all of them in one turn; each is started again as soon as its remains were looked at. */
  async kill(victims: readonly Victim[], whileDead: WhileDead = () => undefined): Promise<void> {
    const { pids } = this.file;
    // One that is being started again just now is dead already.
    const alive = victims.flatMap((victim) => {
      const pid = pids[victim];
      return pid === undefined ? [] : [{ victim, pid }];
    });
    for (const { pid } of alive) process.kill(pid, 'SIGKILL');
    for (const { victim, pid } of alive) {
      const dead = async () => this.file.pids[victim] !== pid;
      if (!(await becomes(dead, DIES_WITHIN_MS))) throw new Error(`the ${victim} outlives its SIGKILL`);
    }
    whileDead(new Set(alive.map(({ victim }) => victim)));
    for (const { victim } of alive) {
      const started = this.sandbox.startPart(victim);
      // Awaited by `heal`: until then a failure is nobody's.
      started.catch(() => undefined);
      this.#starting.push(started);
    }
  }

  /** Nothing is broken any more: parts, cable and D1; and what the cron would do is done. */
  async heal(): Promise<void> {
    this.cable.mend();
    await this.#d1('ok');
    await Promise.all(this.#starting);
    this.#starting = [];
    await this.nudge();
  }

  /** The gate lives in the edge's process, which may just have been killed. */
  #d1(state: D1State): Promise<void> {
    return eventually(
      `D1 is told: ${state}`,
      () => this.database.behave(state),
      () => true,
    );
  }

  async stop(): Promise<void> {
    this.cable.mend();
    await Promise.allSettled(this.#starting);
    await this.sandbox.stop();
    await this.cable.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
