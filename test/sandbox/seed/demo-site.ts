import { type Command, command, isFinal, siteConfigState } from '@clawdbot/protocol';
import { z } from 'zod';
import { becomes } from '../processes/polling.ts';
import type { Tenant } from './tenants.ts';

const TIMEOUT_MS = 5_000;
const APPLIED_WITHIN_MS = 20_000;
const commandTaken = z.object({ data: z.object({ commandId: z.string() }) });

/** The edge's own HTTP API, as an operator's program would call it. */
export class Operator {
  readonly #edgeUrl: string;
  readonly #token: string;

  constructor(edgeUrl: string, token: string) {
    this.#edgeUrl = edgeUrl;
    this.#token = token;
  }

  /** Creates the site, unless it is there already. */
  async createSite({ siteId, siteName, orchestratorId }: Tenant): Promise<void> {
    const found = await this.#send('GET', `/api/v1/sites/${siteId}`);
    if (found.ok) return;
    await this.#must('POST', '/api/v1/sites', { id: siteId, name: siteName, orchestratorId });
  }

  async config(siteId: string): Promise<z.infer<typeof siteConfigState>> {
    return siteConfigState.parse(await this.#must('GET', `/api/v1/sites/${siteId}/config`));
  }

  /** Pushes a config and waits until the orchestrator has applied it. */
  async configure(siteId: string, base: number, config: unknown): Promise<void> {
    const body = { action: 'update_config', siteId, payload: { base, config } };
    const taken = commandTaken.parse(await this.#must('POST', '/api/v1/orchestrator', body));
    const { state, error } = await this.#ended(taken.data.commandId);
    if (state !== 'succeeded')
      throw new Error(`the config of ${siteId} is ${state}: ${error?.message ?? ''}`);
  }

  /** Deploys a Worker and waits until it is proven. */
  async deploy(siteId: string, payload: unknown): Promise<void> {
    const body = { action: 'deploy_worker', siteId, payload };
    const taken = commandTaken.parse(await this.#must('POST', '/api/v1/orchestrator', body));
    const { state, error } = await this.#ended(taken.data.commandId);
    if (state !== 'succeeded') throw new Error(`the deployment is ${state}: ${error?.message ?? ''}`);
  }

  async #ended(commandId: string): Promise<Command> {
    const ask = async () => command.parse(await this.#must('GET', `/api/v1/commands/${commandId}`));
    await becomes(async () => isFinal((await ask()).state), APPLIED_WITHIN_MS);
    return ask();
  }

  async #must(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.#send(method, path, body);
    if (response.ok) return response.json();
    throw new Error(`${method} ${path} was answered ${response.status}: ${await response.text()}`);
  }

  #send(method: string, path: string, body?: unknown): Promise<Response> {
    return fetch(this.#edgeUrl + path, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  }
}

/** One route for each thing that may happen while the upstream cannot answer. */
const demoConfig = (upstream: string) => ({
  routes: [
    { path: '/webhooks/*', upstream, offline: 'queue' },
    { path: '/catalog/*', upstream, offline: 'stale' },
    { path: '/*', upstream, offline: 'unavailable' },
  ],
  worker: { vars: {} },
});

/**
 * Gives the demo site its config the first time. Later only the upstream's address follows, should its port
 * have been taken since: whatever else was changed is the developer's.
 */
export async function configureDemo(
  operator: Operator,
  siteId: string,
  upstreamPort: number,
  portBefore: number | undefined,
): Promise<void> {
  const { generation, config } = await operator.config(siteId);
  if (generation === 0) return operator.configure(siteId, 0, demoConfig(`http://127.0.0.1:${upstreamPort}`));
  const moved = (url: string) =>
    url.replace(/^(http:\/\/(?:127\.0\.0\.1|localhost)):(\d+)/, (all, host, port) =>
      Number(port) === portBefore ? `${host}:${upstreamPort}` : all,
    );
  const routes = config.routes.map((route) => ({ ...route, upstream: moved(route.upstream) }));
  if (routes.every(({ upstream }, at) => upstream === config.routes[at]?.upstream)) return;
  await operator.configure(siteId, generation, { ...config, routes });
}
