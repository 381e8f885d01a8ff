import { join } from 'node:path';
import { freePort } from '../../sandbox/cloudflare/start.ts';
import { answers } from '../../sandbox/processes/polling.ts';
import { Operator } from '../../sandbox/seed/demo-site.ts';
import type { Job } from '../load/job.ts';
import { ownSandbox } from '../sandbox.ts';
import { node, type Own, start, workerd } from './processes.ts';

/** Where a path begins, for whoever loads it. */
export type Target = Pick<Job, 'port' | 'host' | 'path'>;

/** The same on every path, so that each carries as many bytes. */
const PATH = '/prices/latest';

const urlOf = ({ port, path }: Target): string => `http://127.0.0.1:${port}${path}?n=0`;

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
  const target = { port, host: `127.0.0.1:${port}`, path: PATH };
  const worker = { entry: 'direct/worker.ts', port, vars: { ORIGIN: origin } };
  const launch = await workerd(join(own.dir, 'direct'), worker);
  await start(own, { name: 'direct', ...launch, isUp: () => answers(urlOf(target)) });
  return target;
}

/** Worker → object → socket → Node → origin, by Cap'n Web. */
export async function startCapnweb(own: Own, origin: string): Promise<Target> {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const target = { port, host, path: PATH };
  const object = { className: 'Tunnel', binding: 'TUNNEL' };
  const launch = await workerd(join(own.dir, 'capnweb'), {
    entry: 'capnweb/worker.ts',
    port,
    vars: {},
    object,
  });
  await start(own, { name: 'capnweb', ...launch, isUp: () => answers(urlOf(target), 'anything') });
  const env = { EDGE_URL: `ws://${host}`, ORIGIN: origin };
  const isUp = () => answers(urlOf(target));
  await start(own, { name: 'capnweb-peer', ...node('capnweb/peer.ts'), env, isUp });
  return target;
}

/** Worker → object → socket → orchestrator → origin: the sandbox's own edge and orchestrator, as they are. */
export async function startProduct({ dir, cleanup }: Own, origin: string): Promise<Target> {
  const { edgeUrl, adminToken, siteId, relayUrl } = await ownSandbox(dir, cleanup);
  const operator = new Operator(edgeUrl, adminToken);
  const { generation, config } = await operator.config(siteId);
  const routes = [{ path: '/*', upstream: origin, offline: 'unavailable' }];
  await operator.configure(siteId, generation, { ...config, routes });
  const { host, port } = new URL(relayUrl);
  return { host, port: Number(port), path: `/s/${siteId}${PATH}` };
}
