import {
  digestOf,
  EMPTY_CONFIG,
  editedConfig,
  explain,
  type PatchSite,
  type Site,
  type SiteConfig,
  type SiteConfigState,
} from '@clawdbot/protocol';
import { difference } from './config-diff.ts';
import { entryOf, type Fleet, type FleetSite } from './fleet-file.ts';
import { CliError } from './io.ts';

/** A site as the edge has it. */
export interface Known {
  readonly site: Site;
  readonly state: SiteConfigState;
}

/** What becomes of one site. */
export interface Step {
  readonly siteId: string;
  readonly action: 'create' | 'change' | 'unchanged';
  /** A unified diff of the site's part of the file. */
  readonly lines: readonly string[];
  readonly wanted: FleetSite;
  /** Of the site, beside its config; absent when nothing of it changes. */
  readonly patch?: PatchSite;
  /** Absent when it is the one that is desired already. */
  readonly config?: { readonly base: number; readonly config: SiteConfig };
}

/** What a file changes, site by site; nothing is done yet. Throws `CliError` on what cannot be done. */
export const planOf = (fleet: Fleet, known: ReadonlyMap<string, Known>): Step[] =>
  Object.entries(fleet.sites).map(([siteId, wanted]) => {
    const there = known.get(siteId);
    const step = there === undefined ? created(siteId, wanted) : changed(siteId, wanted, there);
    if (step.config !== undefined) refuseUseless(siteId, step.config.config);
    return step;
  });

function created(siteId: string, wanted: FleetSite): Step {
  const { config, paused } = wanted;
  const isEmpty = config === undefined || same(config, EMPTY_CONFIG);
  return {
    siteId,
    action: 'create',
    lines: difference({}, wanted)
      .slice(1)
      .filter((line) => line.startsWith('+')),
    wanted,
    ...(paused === true ? { patch: { paused } } : {}),
    ...(isEmpty ? {} : { config: { base: 0, config } }),
  };
}

function changed(siteId: string, wanted: FleetSite, { site, state }: Known): Step {
  if (wanted.orchestrator !== undefined && wanted.orchestrator !== site.orchestratorId) {
    const message = `sites.${siteId}.orchestrator: the site is at ${site.orchestratorId}, and a file moves no site: say so there, or move it first`;
    throw new CliError(message);
  }
  const patch = patchOf(wanted, site);
  const config =
    wanted.config === undefined || same(wanted.config, state.config)
      ? {}
      : { config: { base: state.generation, config: wanted.config } };
  const before = entryOf(site, state.config);
  const after = { ...before, ...patch, ...('config' in config ? { config: config.config.config } : {}) };
  const lines = difference(before, after);
  return {
    siteId,
    action: lines.length === 0 ? 'unchanged' : 'change',
    lines,
    wanted,
    ...(Object.keys(patch).length === 0 ? {} : { patch }),
    ...config,
  };
}

function patchOf({ name, labels, hostnames, paused }: FleetSite, site: Site): PatchSite {
  const names = hostnames === undefined ? undefined : [...new Set(hostnames)].sort();
  return {
    ...(name === undefined || name === site.name ? {} : { name }),
    ...(labels === undefined || same(labels, site.labels) ? {} : { labels }),
    ...(names === undefined || same(names, site.hostnames) ? {} : { hostnames: names }),
    ...(paused === undefined || paused === site.paused ? {} : { paused }),
  };
}

/** An edit must keep rules that what was stored once need not: found here, it is refused before anything is done. */
function refuseUseless(siteId: string, config: SiteConfig): void {
  const { error } = editedConfig.safeParse(config);
  if (error !== undefined) throw new CliError(explain(error, `sites.${siteId}.config`));
}

const same = (one: unknown, other: unknown): boolean => digestOf(one) === digestOf(other);
