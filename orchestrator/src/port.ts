import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Rejects with the system's EADDRINUSE when another program listens there. Asked before the database is
 * touched: a second start by mistake must not take it over from the process that runs, only to give up here.
 */
export async function assertPortFree(port: number): Promise<void> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}
