import { counted, type PatchSite, type Site, type SiteQueued } from '@clawdbot/protocol';
import { type Desk, show } from './desk.ts';
import { CliError, list, table } from './io.ts';
import { inOptions, pairOf } from './options.ts';

export interface SitesOptions {
  readonly label: readonly string[];
}

/** All of them, or those that have every one of these labels. */
export async function listSites(desk: Desk, { label }: SitesOptions): Promise<void> {
  const sites = await desk.edge.allSites(label.map(labelFilter));
  show(desk, sites, () =>
    list(
      ['SITE', 'ORCHESTRATOR', 'STATE', 'LABELS', 'HOST NAMES', 'NAME'],
      sites.map((site) => [
        site.id,
        site.orchestratorId,
        stateOf(site),
        labelsText(site.labels),
        site.hostnames.join(','),
        site.name,
      ]),
    ),
  );
}

/** With the sites that each has. */
export async function listOrchestrators(desk: Desk): Promise<void> {
  const [{ items: known }, sites] = await Promise.all([desk.edge.orchestrators(), desk.edge.allSites([])]);
  const orchestrators = await Promise.all(known.map(({ id }) => desk.edge.orchestrator(id)));
  show(desk, orchestrators, () =>
    list(
      ['ORCHESTRATOR', 'STATE', 'VERSION', 'SITES'],
      orchestrators.map(({ id, presence, version }) => [
        id,
        presence.state,
        version ?? '',
        String(sites.filter(({ orchestratorId }) => orchestratorId === id).length),
      ]),
    ),
  );
}

/** One site, and what is under way for it. */
export async function showSite(desk: Desk, id: string): Promise<void> {
  const [site, queued] = await Promise.all([desk.edge.site(id), desk.edge.siteQueued(id)]);
  show(desk, { ...site, queued }, () =>
    table([
      ['site', site.id],
      ['name', site.name],
      ['orchestrator', site.orchestratorId],
      ['state', stateOf(site)],
      ['labels', labelsText(site.labels)],
      ['host names', site.hostnames.join(', ')],
      ['queued', queuedText(queued)],
    ]),
  );
}

export interface CreateOptions {
  readonly name?: string;
  readonly orchestrator?: string;
  readonly label: readonly string[];
  readonly hostname: readonly string[];
}

/** Where each member of a new site comes from. */
const OPTIONS = {
  id: 'the site',
  name: '--name',
  orchestratorId: '--orchestrator',
  labels: '--label',
  hostnames: '--hostname',
};

export async function createSite(
  desk: Desk,
  id: string,
  { name, orchestrator, label, hostname }: CreateOptions,
): Promise<void> {
  const asked = {
    id,
    ...(name === undefined ? {} : { name }),
    ...(orchestrator === undefined ? {} : { orchestratorId: orchestrator }),
    labels: Object.fromEntries(label.map(labelOf)),
    hostnames: [...hostname],
  };
  const site = await desk.edge.createSite(asked).catch(inOptions(OPTIONS));
  show(desk, site, () => `${site.id} is made, on ${site.orchestratorId}`);
}

/** All customers of the existing API that are no sites yet, or those that are named. */
export async function importSites(
  desk: Desk,
  customers: readonly string[],
  { orchestrator }: { readonly orchestrator?: string },
): Promise<void> {
  const imported: Site[] = [];
  const skipped: { customerId: string; reason: string }[] = [];
  let after: string | undefined;
  do {
    const asked = {
      ...(orchestrator === undefined ? {} : { orchestratorId: orchestrator }),
      ...(customers.length === 0 ? {} : { customers: [...customers] }),
      ...(after === undefined ? {} : { after }),
    };
    const page = await desk.edge.importSites(asked).catch(inOptions(OPTIONS));
    imported.push(...page.imported);
    skipped.push(...page.skipped);
    after = page.next ?? undefined;
  } while (after !== undefined);
  show(desk, { imported, skipped }, () =>
    list(
      ['CUSTOMER', 'SITE'],
      [
        ...imported.map(({ id, orchestratorId }) => [id, `made, on ${orchestratorId}`]),
        ...skipped.map(({ customerId, reason }) => [customerId, `skipped: ${reason}`]),
      ],
    ),
  );
}

/** `name=value` sets a label, `name-` takes it away; the others stay. */
export async function labelSite(desk: Desk, id: string, changes: readonly string[]): Promise<void> {
  const labels = new Map(Object.entries((await desk.edge.site(id)).labels));
  for (const change of changes) {
    if (change.endsWith('-') && !change.includes('=')) labels.delete(change.slice(0, -1));
    else labels.set(...labelOf(change));
  }
  await patch(desk, id, { labels: Object.fromEntries(labels) });
}

export async function pauseSite(desk: Desk, id: string, paused: boolean): Promise<void> {
  await patch(desk, id, { paused });
}

export async function changeHostnames(
  desk: Desk,
  id: string,
  change: 'add' | 'remove',
  names: readonly string[],
): Promise<void> {
  const { hostnames } = await desk.edge.site(id);
  const missing = names.filter((name) => !hostnames.includes(name));
  if (change === 'remove' && missing.length > 0)
    throw new CliError(
      `${id} has no host name ${missing.join(', ')}: it has ${hostnames.join(', ') || 'none'}`,
    );
  const kept = hostnames.filter((name) => !names.includes(name));
  await patch(desk, id, { hostnames: change === 'add' ? [...kept, ...names] : kept });
}

export const queuedText = ({ receipts, commands, kept }: SiteQueued): string =>
  `${counted(receipts, 'stored request')} to deliver, ${counted(commands, 'command')} under way, what customers sent in ${counted(kept, 'request')}`;

async function patch(desk: Desk, id: string, change: PatchSite): Promise<void> {
  const site = await desk.edge.patchSite(id, change);
  show(desk, site, () => {
    const facts = [stateOf(site), labelsText(site.labels), site.hostnames.join(' ')];
    return `${id}: ${facts.filter(Boolean).join(', ')}`;
  });
}

/** As lists show it. */
export const stateOf = ({ paused, movingTo }: Site): string =>
  (paused ? 'paused' : 'active') + (movingTo === undefined ? '' : `, moving to ${movingTo}`);

const labelsText = (labels: Site['labels']): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');

/** `tier=gold` as the edge's filter has it. Throws `CliError`. */
export const labelFilter = (text: string): string => labelOf(text).join(':');

const labelOf = (text: string): [name: string, value: string] => pairOf(text, `${text}: expected name=value`);
