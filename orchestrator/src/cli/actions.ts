import {
  type Command,
  isFinal,
  type SiteConfigState,
  type SiteStatus,
  type StatusReport,
} from '@clawdbot/protocol';
import { standingLines } from './config-words.ts';
import { type Desk, show, when } from './desk.ts';
import { CliError, duration, table } from './io.ts';
import { stateOf } from './sites.ts';
import { troubledTable, workerLines } from './workers.ts';

/** All orchestrators and sites, or one site asked live. */
export async function status(desk: Desk, siteId: string | undefined): Promise<void> {
  if (siteId !== undefined) {
    const [report, config] = await Promise.all([desk.edge.status(siteId), desk.edge.config(siteId)]);
    return show(desk, { ...report, config }, () => siteText(siteId, report, config));
  }
  const [{ items: known }, { items: sites }] = await Promise.all([
    desk.edge.orchestrators(),
    desk.edge.sites(),
  ]);
  const orchestrators = await Promise.all(known.map(({ id }) => desk.edge.orchestrator(id)));
  show(desk, { orchestrators, sites }, () => {
    const rows = orchestrators.map(({ id, presence, version, queues }) => {
      const since = presence.since === undefined ? '' : duration(desk.io.now() - presence.since);
      const dead = queues.deadLetters + queues.deadReceipts;
      const counts = [String(queues.control + queues.queue), String(dead)];
      return [id, presence.state, since, version ?? '', ...counts, presence.reason ?? ''];
    });
    const configs = new Map(
      orchestrators.flatMap(({ status: told }) => told?.sites ?? []).map((site) => [site.siteId, site]),
    );
    const siteRows = sites.map((site) => [
      site.id,
      site.orchestratorId,
      stateOf(site),
      runs(configs.get(site.id)),
      site.name,
    ]);
    return [
      table([['ORCHESTRATOR', 'STATE', 'FOR', 'VERSION', 'QUEUED', 'DEAD', 'WHY'], ...rows]),
      table([['SITE', 'ORCHESTRATOR', 'STATE', 'CONFIG', 'NAME'], ...siteRows]),
      ...troubledTable(orchestrators.flatMap(({ status: told }) => told?.workers ?? [])),
    ].join('\n\n');
  });
}

/** Which generation the VPS said last that it runs, and whether it has refused a newer one. */
function runs(site: SiteStatus | undefined): string {
  if (site === undefined) return '';
  const { generation, lastFailure } = site;
  if (lastFailure === undefined || lastFailure.generation <= generation) return String(generation);
  return `${generation} (${lastFailure.generation} refused ${lastFailure.failures ?? 1}×)`;
}

function siteText(
  siteId: string,
  { orchestrator, site, tunnel, at }: StatusReport,
  config: SiteConfigState,
): string {
  const { id, version, uptimeS, connectedSince, rttMs, queues, memory, otherLanes = [] } = orchestrator;
  const connected =
    connectedSince === undefined ? 'not connected' : `connected for ${duration(at - connectedSince)}`;
  // An older one was mended: a newer generation runs.
  const failure = (site.lastFailure?.generation ?? 0) > site.generation ? site.lastFailure : undefined;
  const lines = [
    `orchestrator ${id} ${version}: up for ${duration(uptimeS * 1_000)}, ${connected}${rttMs === undefined ? '' : `, ${rttMs} ms away`}`,
    `  memory ${Math.round(memory.rssBytes / 1_048_576)} MB; queues: inbox ${queues.inbox}, outbox ${queues.outbox}, dead letters ${queues.deadLetters}; tunnel ${tunnel.state}`,
    ...otherLanes.map(
      ({ lane, state, since, reason }) =>
        `  lane ${lane}: ${state} for ${duration(at - since)}${reason === undefined ? '' : ` (${reason})`}`,
    ),
    `site ${siteId}: config generation ${site.generation} (${site.digest.slice(0, 12)})`,
    ...(failure === undefined
      ? []
      : [`  generation ${failure.generation} failed at ${when(failure.at)}: ${failure.error ?? ''}`]),
    ...standingLines(config).map((line) => `  ${line}`),
    ...site.routes.map(({ path, upstream, offline }) => `  route ${path} → ${upstream} (${offline})`),
    ...site.workers.flatMap((worker) => workerLines(worker, at)),
  ];
  return lines.join('\n');
}

export async function cancel(desk: Desk, id: string): Promise<void> {
  const cancelled = await desk.edge.cancel(id);
  show(desk, cancelled, () => cancelledText(cancelled));
}

/** What runs already is asked to stop, and undoes what it has done. */
const cancelledText = ({ id, state }: Command): string =>
  isFinal(state)
    ? `${id} is ${state}`
    : `${id} is ${state} and is being cancelled: "clawctl commands ${id}" shows its end`;

/** Lets a process with an empty database take an orchestrator's place. Throws `CliError` unless it was confirmed. */
export async function release(desk: Desk, id: string, confirmed: boolean): Promise<void> {
  if (!confirmed) {
    throw new CliError(
      `this forgets the newest process of ${id}, and with it what only its lost database knew: say --yes if you mean it`,
    );
  }
  const { presence } = await desk.edge.orchestrator(id);
  if (presence.state === 'online') {
    throw new CliError(`${id} is online, so its database is not lost: nothing was done; stop it first`);
  }
  const released = await desk.edge.release(id);
  show(desk, released, () => `${id} is released: one with an empty database may connect`);
}
