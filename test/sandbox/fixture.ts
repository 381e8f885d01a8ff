/** What the sandbox's own tests share: folders and processes that never outlive a test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { choosePorts, type Ports } from './ports.ts';
import { Part, type PartEvents, type PartSpec } from './processes/part.ts';
import { becomes } from './processes/polling.ts';

export function temporaryDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'sandbox-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export const freePorts = async (): Promise<Ports> =>
  (await choosePorts(temporaryDir(), {}, Math.random)).ports;

/** A part that ends with the test. */
export function ownPart(spec: PartSpec, events: Partial<PartEvents> = {}): Part {
  const part = new Part(spec, { changed: () => undefined, revived: () => undefined, ...events });
  onTestFinished(() => part.stop());
  return part;
}

const WITHIN_MS = 10_000;

/** Waits until it is so; a wait that expires fails the test. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  expect(await becomes(async () => isSo(), WITHIN_MS), `${what}, within ${WITHIN_MS} ms`).toBe(true);
}
