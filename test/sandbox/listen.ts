import { createServer, type RequestListener, type Server } from 'node:http';

/**
 * Node's default of 5 s is shorter than a program that calls wrangler synchronously is away from its event
 * loop: it then reuses a connection that is already closed, and sees ECONNRESET. A minute is what load
 * balancers commonly hold.
 */
const KEEP_ALIVE_MS = 65_000;

/** Listens on that address; rejects with the listen error, for example EADDRINUSE. */
export function listen(host: string, port: number, listener: RequestListener): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  // No limit on how long a body may take: customers upload slowly, and tests stall on purpose.
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS }, listener);
  server.once('error', reject);
  server.listen(port, host, () => resolve(server));
  return promise;
}

/** Stops listening and ends every connection. */
export function shut(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  return promise;
}
