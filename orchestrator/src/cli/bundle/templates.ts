import { join } from 'node:path';
import { CliError } from '../io.ts';

const FOLDER = join(import.meta.dirname, '../../../templates');

/**
 * The Workers that we ship (orchestrator/templates), each with the variables that it cannot do without, and with what
 * shows that it is well, where "/" does not.
 */
const TEMPLATES = {
  'site-tag': { needs: ['SITE_ID', 'RELAY_URL', 'EDGE_URL'], check: '/health' },
  proxy: { needs: ['UPSTREAM_URL', 'TAG_URL'], check: undefined },
} as const;

export type TemplateName = keyof typeof TEMPLATES;
export const templateNames = Object.keys(TEMPLATES) as TemplateName[]; // The keys of that very literal.

export const templateCheck = (name: TemplateName): string | undefined => TEMPLATES[name].check;

export const templateFolder = (name: TemplateName): string => join(FOLDER, name);

/** What is known of a site's surroundings. */
export interface Surroundings {
  readonly siteId: string;
  readonly edgeUrl: string;
  readonly relayUrl: string | undefined;
}

/** A template's variables: those of its surroundings, and over them the given ones. Throws `CliError` if one is missing. */
export function templateVars(
  name: TemplateName,
  { siteId, edgeUrl, relayUrl }: Surroundings,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const known: Record<string, string | undefined> = {
    SITE_ID: siteId,
    EDGE_URL: edgeUrl,
    RELAY_URL: relayUrl,
    ...given,
  };
  const vars: Record<string, string> = { ...given };
  for (const variable of TEMPLATES[name].needs) {
    const value = known[variable];
    if (value === undefined) throw new CliError(missing(name, variable));
    vars[variable] = value;
  }
  return vars;
}

function missing(name: TemplateName, variable: string): string {
  const also = variable === 'RELAY_URL' ? ', or set CLAWCTL_RELAY_URL' : '';
  return `the template ${name} needs ${variable}: give --var ${variable}=…${also}`;
}
