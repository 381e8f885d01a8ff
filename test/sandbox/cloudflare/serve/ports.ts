import type { RequestListener, Server } from 'node:http';
import { listen, shut } from '../../listen.ts';

/**
 * Below Linux's ephemeral range (32768–60999, net.ipv4.ip_local_port_range): a port kept for a Worker is
 * not taken by somebody's outgoing connection while this process is down.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_767;
const MAX_TRIES = 200;

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

/** ::1 may be missing on a machine without IPv6; then 127.0.0.1 alone serves `localhost`. */
async function listenV6(port: number, listener: RequestListener): Promise<Server[]> {
  try {
    return [await listen('::1', port, listener)];
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return [];
    throw error;
  }
}

async function listenOnBoth(port: number, listener: RequestListener): Promise<Server[]> {
  const v4 = await listen('127.0.0.1', port, listener);
  try {
    return [v4, ...(await listenV6(port, listener))];
  } catch (error) {
    await shut(v4);
    throw error;
  }
}

/** One port per deployed Worker, on 127.0.0.1 and ::1, so that `localhost` means it whatever it resolves to. */
export class WorkerPorts {
  private readonly open = new Map<string, { port: number; servers: Server[] }>();
  private readonly listenerFor: (script: string) => RequestListener;
  private readonly random: () => number;

  constructor(listenerFor: (script: string) => RequestListener, random: () => number) {
    this.listenerFor = listenerFor;
    this.random = random;
  }

  /** Opens the script's port; the wanted one unless it is taken. Answers the port; opened twice is once. */
  async serve(script: string, wanted: number | undefined): Promise<number> {
    const known = this.open.get(script);
    if (known) return known.port;
    const opened = await this.openFree(script, wanted);
    this.open.set(script, opened);
    return opened.port;
  }

  async close(script: string): Promise<void> {
    const known = this.open.get(script);
    this.open.delete(script);
    await Promise.all(known?.servers.map(shut) ?? []);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.open.keys()].map((script) => this.close(script)));
  }

  private async openFree(
    script: string,
    wanted: number | undefined,
  ): Promise<{ port: number; servers: Server[] }> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const port = tries === 0 && wanted !== undefined ? wanted : this.draw();
      try {
        return { port, servers: await listenOnBoth(port, this.listenerFor(script)) };
      } catch (error) {
        if (codeOf(error) !== 'EADDRINUSE') throw error;
      }
    }
    throw new Error(`no free port between ${FIRST_PORT} and ${LAST_PORT}`);
  }

  private draw(): number {
    return FIRST_PORT + Math.floor(this.random() * (LAST_PORT - FIRST_PORT + 1));
  }
}
