import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { RequestListener, Server } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { listen, shut } from './listen.ts';

/**
 * Below Linux's ephemeral range (32768–60999, net.ipv4.ip_local_port_range): no outgoing connection takes a
 * part's port while the part is down.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
const TRIES_MAX = 200;

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

/** Listens on 127.0.0.1 and ::1, so that `localhost` means it whichever it resolves to. */
export async function listenOnLoopback(port: number, listener: RequestListener): Promise<Server[]> {
  const v4 = await listen('127.0.0.1', port, listener);
  try {
    const v6 = (await hasLoopbackV6()) ? [await listen('::1', port, listener)] : [];
    return [v4, ...v6];
  } catch (error) {
    await shut(v4);
    throw error;
  }
}

/** A container may have no IPv6: then 127.0.0.1 alone is loopback. */
export async function hasLoopbackV6(): Promise<boolean> {
  try {
    await shut(await listen('::1', 0, () => undefined));
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return false;
    throw error;
  }
}

/** Whether nobody listens on the port, on either loopback. */
async function isFree(port: number): Promise<boolean> {
  try {
    await Promise.all((await listenOnLoopback(port, () => undefined)).map(shut));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE' || codeOf(error) === 'EACCES') return false;
    throw error;
  }
}

/** The first of the wanted ports that is free, otherwise any free one. */
async function freePort(
  wanted: readonly number[],
  spokenFor: ReadonlySet<number>,
  random: () => number,
): Promise<number> {
  const drawn = Array.from(
    { length: TRIES_MAX },
    () => FIRST_PORT + Math.floor(random() * (LAST_PORT - FIRST_PORT + 1)),
  );
  for (const port of [...wanted, ...drawn]) {
    if (!spokenFor.has(port) && (await isFree(port))) return port;
  }
  throw new Error(`no free port between ${FIRST_PORT} and ${LAST_PORT}`);
}

const ports = z.object({
  edge: z.int(),
  /** The edge's admin Worker: its D1, for the supervisor. */
  admin: z.int(),
  orchestrator: z.int(),
  cloudflare: z.int(),
  workers: z.int(),
  upstream: z.int(),
});
export type Ports = z.infer<typeof ports>;
const NAMES = ports.keyof().options;

/** The ports that a person knows by heart. */
export const USUAL_PORTS: Partial<Ports> = { edge: 8787, orchestrator: 3000 };

/**
 * The sandbox's ports, kept in its folder: the wanted one, else the one it had last time (what has been
 * written down about it stays true), else a free one.
 */
export async function choosePorts(
  dir: string,
  wanted: Partial<Ports>,
  random: () => number,
): Promise<{ ports: Ports; before: Ports | undefined }> {
  const file = join(dir, 'ports.json');
  const before = existsSync(file) ? ports.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined;
  const chosen = new Map<string, number>();
  for (const name of NAMES) {
    const wishes = [wanted[name], before?.[name]].filter((port) => port !== undefined);
    chosen.set(name, await freePort(wishes, new Set(chosen.values()), random));
  }
  const now = ports.parse(Object.fromEntries(chosen));
  writeFileSync(file, JSON.stringify(now, null, 2));
  return { ports: now, before };
}
