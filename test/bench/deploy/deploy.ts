import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { command, commandTaken, deployResult, isFinal, orchestratorResponse } from '@clawdbot/protocol';
import type { SandboxFile } from '../../sandbox/sandbox-file.ts';
import { type Cleanup, withCleanup } from '../cleanup.ts';
import { numbers } from '../options.ts';
import { machine } from '../report/machine.ts';
import { writeResults } from '../report/results.ts';
import { percentile } from '../report/statistics.ts';
import { table } from '../report/table.ts';
import { ownSandbox } from '../sandbox.ts';

const DEFAULTS = { deploys: 50 };
/** What it must reach, accepted → observed. */
const TARGET_P50_MS = 400;

export const deploy = {
  about: 'how long from the accepted command until the new version was observed at its address, all at once',
  options: `[--deploys ${DEFAULTS.deploys}]`,
  run(args: string[]): Promise<number> {
    const { deploys } = numbers(args, DEFAULTS);
    return withCleanup((cleanup) => benchmark(deploys, cleanup));
  },
};

async function benchmark(deploys: number, cleanup: Cleanup): Promise<number> {
  console.log('Starting the whole system …');
  const dir = mkdtempSync(join(tmpdir(), 'bench-deploy-'));
  cleanup.add(() => rmSync(dir, { recursive: true, force: true }));
  const file = await ownSandbox(dir, cleanup);
  // The first one waits for Cloudflare's SDK to load.
  await measured(file, 'warm-up', 0);
  const rows = [
    { name: 'a new Worker', samples: await several(deploys, (n) => measured(file, `new-${n}`, n)) },
    { name: 'its next version', samples: await several(deploys, (n) => measured(file, 'warm-up', n + 1)) },
  ];
  return report(rows, deploys);
}

async function several(count: number, one: (n: number) => Promise<number>): Promise<number[]> {
  const samples: number[] = [];
  for (let n = 0; n < count; n++) samples.push(await one(n));
  return samples;
}

/** A Worker that says its version, and is another one each time. */
const sourceOf = (n: number): string => `export default {
  fetch: (_request, env) => new Response('${n}', { headers: { 'Worker-Version': env.CF_VERSION_METADATA.id } }),
};`;

/** Clocks are the same one: edge, orchestrator and this process share the machine. @returns ms */
async function measured(
  { edgeUrl, adminToken, siteId }: SandboxFile,
  name: string,
  n: number,
): Promise<number> {
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' };
  const payload = {
    name,
    mainModule: 'index.js',
    modules: { 'index.js': sourceOf(n) },
    compatibilityDate: '2026-01-01',
  };
  const body = JSON.stringify({ action: 'deploy_worker', siteId, payload });
  const response = await fetch(`${edgeUrl}/api/v1/orchestrator`, { method: 'POST', headers, body });
  const { data, error } = orchestratorResponse.parse(await response.json());
  const accepted = Date.now();
  if (!response.ok) throw new Error(`the command was refused: ${error}`);
  const { commandId } = commandTaken.parse(data);
  for (;;) {
    const asked = await fetch(`${edgeUrl}/api/v1/commands/${commandId}`, { headers });
    const { state, result, error: why } = command.parse(await asked.json());
    if (state === 'succeeded') {
      const { observed } = deployResult.parse(result).receipts;
      if (observed === undefined) throw new Error(`${commandId} was not observed`);
      return observed.at - accepted;
    }
    if (isFinal(state)) throw new Error(`${commandId} has ${state}: ${why?.message}`);
    await delay(20);
  }
}

interface Row {
  readonly name: string;
  readonly samples: readonly number[];
}

/** @returns the exit code */
function report(rows: readonly Row[], deploys: number): number {
  const results = rows.map(({ name, samples }) => {
    const sorted = samples.toSorted((a, b) => a - b);
    return { name, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), samples };
  });
  console.log(`\nAccepted → observed, ${deploys} deployments each, one at a time:\n`);
  console.log(
    table([
      ['', 'p50 ms', 'p99 ms'],
      ...results.map(({ name, p50Ms, p99Ms }) => [name, String(p50Ms), String(p99Ms)]),
    ]),
  );
  console.log(`\nWritten to ${writeResults('deploy', { results, machine: machine() })}`);
  return results.every(({ p50Ms }) => p50Ms < TARGET_P50_MS) ? 0 : 1;
}
