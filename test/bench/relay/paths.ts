import { join } from 'node:path';
import { freePort } from '../../sandbox/cloudflare/start.ts';
import { answers } from '../../sandbox/processes/polling.ts';
import { Operator } from '../../sandbox/seed/demo-site.ts';
import type { Job } from '../load/job.ts';
import { ownSandbox } from '../sandbox.ts';
import { node, type Own, start, workerd } from './processes.ts';

/** Where a path begins, for whoever loads it. */
type Address = Pick<Job, 'port' | 'host' | 'path'>;

export interface Target {
  readonly address: Address;
  /** Whose CPU time the path costs, besides the origin's; `direct` has no Node process of its own. */
  readonly pids: { readonly workerd: number; readonly node?: number };
}

/** The same on every path, so that each carries as many bytes. */
const PATH = '/prices/latest';

export const urlOf = ({ host, path }: Address): string => `http://${host}${path}?n=0`;

/** @returns the origin's own URL */
export async function startOrigin(own: Own): Promise<string> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = { PORT: String(port) };
  await start(own, { name: 'origin', ...node('origin/main.ts'), env, isUp: () => answers(url) });
  return url;
}

/** Worker → origin. */
export async function startDirect(own: Own, origin: string): Promise<Target> {
  const port = await freePort();
  const address = { port, host: `127.0.0.1:${port}`, path: PATH };
  const worker = { entry: 'direct/worker.ts', port, vars: { ORIGIN: origin } };
  const launch = await workerd(join(own.dir, 'direct'), worker);
  const pid = await start(own, { name: 'direct', ...launch, isUp: () => answers(urlOf(address)) });
  return { address, pids: { workerd: pid } };
}

/** Worker → object → socket → Node → origin, by Cap'n Web. */
export const startCapnweb = (own: Own, origin: string): Promise<Target> =>
  startTunnel(own, 'capnweb', origin);

/** The same way with the least code. */
export const startFloor = (own: Own, origin: string): Promise<Target> => startTunnel(own, 'floor', origin);

/** An edge with one object and its Node end: what is compared has them in folders of the same make. */
async function startTunnel(own: Own, name: 'capnweb' | 'floor', origin: string): Promise<Target> {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const address = { port, host, path: PATH };
  const object = { className: 'Tunnel', binding: 'TUNNEL' };
  const worker = { entry: `${name}/worker.ts`, port, vars: {}, object };
  const launch = await workerd(join(own.dir, name), worker);
  const edge = await start(own, { name, ...launch, isUp: () => answers(urlOf(address), 'anything') });
  const env = { EDGE_URL: `ws://${host}`, ORIGIN: origin };
  const isUp = () => answers(urlOf(address));
  const peer = await start(own, { name: `${name}-peer`, ...node(`${name}/peer/main.ts`), env, isUp });
  return { address, pids: { workerd: edge, node: peer } };
}

/** Worker → object → socket → orchestrator → origin: the sandbox's own edge and orchestrator, as they are. */
export async function startProduct({ dir, cleanup }: Own, origin: string): Promise<Target> {
  const { edgeUrl, adminToken, siteId, relayUrl, pids } = await ownSandbox(dir, cleanup);
  const operator = new Operator(edgeUrl, adminToken);
  const { generation, config } = await operator.config(siteId);
  const routes = [{ path: '/*', upstream: origin, offline: 'unavailable' }];
  await operator.configure(siteId, generation, { ...config, routes });
  const { host, port } = new URL(relayUrl);
  const address = { host, port: Number(port), path: `/s/${siteId}${PATH}` };
  return { address, pids: { workerd: pidOf(pids, 'edge'), node: pidOf(pids, 'orchestrator') } };
}

function pidOf(pids: Readonly<Record<string, number>>, part: string): number {
  const pid = pids[part];
  if (pid === undefined) throw new Error(`the ${part} does not run`);
  return pid;
}
