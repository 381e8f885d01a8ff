import { once } from 'node:events';
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import type { AppEnv } from './auth.ts';

/**
 * Loopback only, whatever the environment says: the VPS opens no port. In a container cloudflared shares this
 * network namespace (docker-compose.yml), so that nothing needs a wider address.
 */
const HOST = '127.0.0.1';

export interface Listener {
  /** With the port that was really taken. */
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the app. Rejects with the system's error when the port is taken. */
export async function listen(app: Hono<AppEnv>, port: number): Promise<Listener> {
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false });
  server.listen(port, HOST);
  await once(server, 'listening');
  const address = server.address();
  const taken = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://${HOST}:${taken}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
      await closed;
    },
  };
}
