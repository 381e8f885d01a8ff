import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Command,
  command,
  isFinal,
  type Orchestrator,
  orchestrator,
  type SiteConfigState,
  siteConfigState,
} from '@clawdbot/protocol';
import { afterAll, beforeAll, beforeEach, onTestFailed } from 'vitest';
import { eventually } from '../../eventually.ts';
import { logTail } from '../../sandbox/processes/log-tail.ts';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../sandbox/sandbox.ts';
import type { SandboxFile } from '../../sandbox/sandbox-file.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Null when the body is no JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: a test says by its expectations what an answer is.
  readonly json: any;
}

export interface Asking {
  readonly method?: string;
  readonly token?: string | null;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** Longer than any answer that the system gives by itself. */
const ANSWER_WITHIN_MS = 40_000;

/** A running system, and what a test does to it and asks of it. */
export class System {
  readonly sandbox: Sandbox;

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
  }

  get file(): SandboxFile {
    return this.sandbox.file;
  }

  /** A request to the console, by the demo organisation's admin unless it says otherwise. */
  api(path: string, { method, token, body, headers }: Asking = {}): Promise<Answer> {
    const bearer = token === undefined ? this.file.adminToken : token;
    return ask(this.file.edgeUrl + path, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }

  /** `POST /api/v1/orchestrator` for the demo site. */
  act(
    action: string,
    payload: unknown,
    { siteId = this.file.siteId, ...asking }: Asking & { siteId?: string } = {},
  ): Promise<Answer> {
    return this.api('/api/v1/orchestrator', { ...asking, body: { action, payload, siteId } });
  }

  /** A customer's request to the demo site, by the relay. */
  relay(path: string, init: RequestInit = {}): Promise<Answer> {
    return ask(`${this.file.relayUrl}/s/${this.file.siteId}${path}`, init);
  }

  /** The command's end. */
  async finished(id: string): Promise<Command> {
    const read = async () => command.parse((await this.api(`/api/v1/commands/${id}`)).json);
    return eventually(`command ${id} ends`, read, ({ state }) => isFinal(state));
  }

  async orchestrator(id = this.file.orchestratorId, token = this.file.adminToken): Promise<Orchestrator> {
    return orchestrator.parse((await this.api(`/api/v1/orchestrators/${id}`, { token })).json);
  }

  /** Pushes a change of the demo site's config and waits for what became of it. */
  async configure(patch: unknown): Promise<Command> {
    const { generation } = await this.config();
    const answer = await this.act('update_config', { base: generation, patch });
    return this.finished(answer.json.data.commandId);
  }

  async config(): Promise<SiteConfigState> {
    return siteConfigState.parse((await this.api(`/api/v1/sites/${this.file.siteId}/config`)).json);
  }

  /** Ends a part as a crash would; the supervisor starts it again. */
  kill(part: 'edge' | 'orchestrator' | 'upstream' | 'cloudflare'): void {
    const pid = this.file.pids[part];
    if (pid === undefined) throw new Error(`${part} does not run`);
    process.kill(pid, 'SIGKILL');
  }

  /** Waits until requests cross from end to end. */
  async works(): Promise<void> {
    await eventually(
      'requests cross',
      () => this.relay('/echo'),
      ({ status }) => status === 200,
    );
  }
}

async function ask(url: string, init: RequestInit): Promise<Answer> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const response = await fetch(url, { redirect: 'manual', signal, ...init });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parse(text) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A whole system of the file's own, on free ports and in a folder of its own. */
export function withSystem(options: Pick<SandboxOptions, 'demoPage'> = {}): () => System {
  const dir = mkdtempSync(join(tmpdir(), 'e2e-'));
  let system: System | undefined;
  beforeAll(async () => {
    system = new System(await startSandbox({ dir, ports: 'free', ...options }));
  });
  beforeEach(() => {
    onTestFailed(() => {
      for (const part of ['edge', 'orchestrator'])
        console.error(part, logTail(join(dir, `logs/${part}.log`)));
    });
  });
  afterAll(async () => {
    await system?.sandbox.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  return () => {
    if (system === undefined) throw new Error('the system is not up yet');
    return system;
  };
}
