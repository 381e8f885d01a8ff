import type { DeployPayload } from '@clawdbot/protocol';
import { explain } from '@clawdbot/protocol';
import { z } from 'zod';
import type { GivenOptions } from './deploy-fields.ts';
import { CliError } from './io.ts';

interface Options extends GivenOptions {
  readonly name?: string;
}

/** Where a payload's member may come from wrangler's config as well, it is the option's when the option was given. */
const OPTIONS = [
  ['name', 'name', '--name'],
  ['compatibilityDate', 'compatibilityDate', '--compatibility-date'],
  ['compatibilityFlags', 'compatibilityFlag', '--compatibility-flag'],
  ['routes', 'route', '--route'],
  ['customDomains', 'domain', '--domain'],
  ['dispatchNamespace', 'dispatchNamespace', '--dispatch-namespace'],
] as const satisfies readonly (readonly [keyof DeployPayload, keyof Options, string])[];

/** What is wrong with a payload, in the words of who gave the options. */
export function complaintOf({ issues }: z.ZodError, options: Options): CliError {
  const named = issues.map((issue) => {
    const option = OPTIONS.find(([member, given]) => member === issue.path[0] && isGiven(options[given]));
    return option === undefined ? issue : { ...issue, path: [option[2]] };
  });
  return new CliError(explain(new z.ZodError(named)));
}

const isGiven = (value: string | readonly string[] | undefined): boolean =>
  value !== undefined && value.length > 0;
