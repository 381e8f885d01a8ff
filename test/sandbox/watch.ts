import { join } from 'node:path';
import { ROOT } from './parts.ts';
import type { Sandbox } from './sandbox.ts';
import { watchTree } from './tree.ts';

/** An editor saves in several steps, and several files at once. */
const SETTLE_MS = 150;

/** Whose code lies in which folders; the demo page is no process, but Workers. */
const SOURCES: Record<string, readonly string[]> = {
  edge: ['edge-worker/src', 'edge-worker/dashboard/src', 'protocol/src'],
  orchestrator: ['orchestrator/src', 'protocol/src'],
  upstream: ['test/sandbox/upstream'],
  'demo page': ['orchestrator/templates'],
  cloudflare: ['test/sandbox/cloudflare'],
};

/** Restarts a part when its code changes, until stopped. @returns how to stop */
export function reloadOnChange(sandbox: Sandbox, say: (line: string) => void): () => void {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let reloading = Promise.resolve();
  const settle = () => {
    const parts = [...changed];
    changed.clear();
    reloading = reloading.then(() => reload(sandbox, parts, say));
  };
  const stops = Object.entries(SOURCES).flatMap(([part, folders]) =>
    folders.map((folder) =>
      watchTree(join(ROOT, folder), (path) => {
        if (path.endsWith('.test.ts')) return;
        changed.add(part);
        clearTimeout(timer);
        timer = setTimeout(settle, SETTLE_MS);
      }),
    ),
  );
  return () => {
    clearTimeout(timer);
    for (const stop of stops) stop();
  };
}

async function reload(sandbox: Sandbox, parts: readonly string[], say: (line: string) => void) {
  for (const part of parts) {
    try {
      await reloadPart(sandbox, part);
      say(`The ${part} runs the new code.`);
    } catch (error) {
      say(`The ${part} could not be reloaded: ${error instanceof Error ? error.message : error}`);
    }
  }
}

async function reloadPart(sandbox: Sandbox, part: string): Promise<void> {
  if (part === 'edge') return sandbox.reloadEdge();
  if (part === 'demo page') return sandbox.deployDemoPage();
  await sandbox.stopPart(part);
  await sandbox.startPart(part);
}
