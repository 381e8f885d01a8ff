import {
  createSite,
  explain,
  orchestratorId,
  patchSite,
  type Site,
  type SiteConfig,
  siteConfig,
  siteId,
} from '@clawdbot/protocol';
import { parse } from 'yaml';
import { z } from 'zod';
import { yamlOf } from './config-diff.ts';
import { CliError, messageOf } from './io.ts';

/** One site in the file. What is left out stays as it is, or is what a new site has. */
const fleetSite = z.strictObject({
  name: createSite.shape.name,
  orchestrator: orchestratorId.optional(),
  labels: createSite.shape.labels,
  hostnames: createSite.shape.hostnames,
  paused: patchSite.shape.paused,
  config: siteConfig.optional(),
});
export type FleetSite = z.infer<typeof fleetSite>;

/** Everything of an organisation but its secrets' values, in one file. */
const fleet = z.strictObject({ version: z.literal(1), sites: z.record(siteId, fleetSite) });
export type Fleet = z.infer<typeof fleet>;

const HEADER = `# Every site with its config, as "clawctl config export" wrote it; "clawctl config apply" takes it.
# Secrets are named here and never shown: "clawctl secrets set <site> <name>".
`;

export const fleetText = (all: Fleet): string => HEADER + yamlOf(all);

/** A site as the file has it. */
export const entryOf = (site: Site, config: SiteConfig): Required<FleetSite> => ({
  name: site.name,
  orchestrator: site.orchestratorId,
  labels: site.labels,
  hostnames: site.hostnames,
  paused: site.paused,
  config,
});

/** Throws `CliError` with the place of what is wrong. */
export function readFleet(text: string, file: string): Fleet {
  const checked = fleet.safeParse(parsed(text, file));
  if (!checked.success) throw new CliError(`${file}: ${explain(checked.error)}`);
  return checked.data;
}

function parsed(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw new CliError(`${file} is no YAML: ${messageOf(cause).split('\n')[0]}`, { cause });
  }
}
