import type { StatusReport, WorkerCheck, WorkerStatus } from '@clawdbot/protocol';
import { when } from './desk.ts';
import { duration, table } from './io.ts';

type Worker = StatusReport['site']['workers'][number];

/** Failed looks that are named one by one. */
const FAILED_SHOWN = 3;

/** Of all Workers those that somebody may have to look at, as a table; none when all is well. */
export function troubledTable(workers: readonly WorkerStatus[]): string[] {
  const rows = workers.flatMap(({ name, siteId = '', drift, health }) => {
    const why = [health?.detail, drift].filter((one) => one !== undefined);
    return why.length === 0 ? [] : [[name, siteId, why.join('; ')]];
  });
  return rows.length === 0 ? [] : [table([['WORKER TO LOOK AT', 'SITE', 'WHY'], ...rows])];
}

/** A Worker in a site's status: what it is, how it differs, and what the looks at it have shown. */
export function workerLines({ checks = [], ...worker }: Worker, at: number): string[] {
  const { name, state, proof, url, drift, health } = worker;
  const failed = checks.filter(({ ok }) => !ok);
  return [
    `  worker ${name}: ${[state, proof, url, drift].filter(Boolean).join(', ')}`,
    ...(health === undefined
      ? []
      : [
          `    ${seen(health)} ${duration(at - health.at)} ago; ${health.good} of the last ${health.looks} looks were good`,
        ]),
    ...failed.slice(0, FAILED_SHOWN).map((check) => `    failed at ${when(check.at)}: ${check.detail ?? ''}`),
  ];
}

function seen({ ok, path, status, latencyMs, version, certificateDays, detail }: WorkerCheck): string {
  if (status === undefined) return `not answered (${detail ?? ''})`;
  // Else it would look as if an error counted as good.
  const alive = ok && status >= 400 && path === undefined ? ' (so it is alive)' : '';
  const at = path === undefined ? '' : ` at ${path}`;
  const by = version === undefined ? '' : ` by version ${version}`;
  const certificate = certificateDays === undefined ? '' : `, certificate for ${certificateDays} days`;
  return `answered ${status}${alive}${at} in ${latencyMs ?? 0} ms${by}${certificate}`;
}
