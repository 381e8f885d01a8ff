import { bindingOf } from './binding-option.ts';
import { CliError } from './io.ts';
import { pairOf } from './options.ts';
import { addressesOf, bindingsOf, compatibilityOf, textsOf } from './wrangler/deployed.ts';
import type { Project } from './wrangler/project.ts';

/** What a Worker is given and where it answers: options that go before wrangler's config. */
export interface GivenOptions {
  readonly compatibilityDate?: string;
  readonly compatibilityFlag: readonly string[];
  readonly var: readonly string[];
  readonly secret: readonly string[];
  readonly binding: readonly string[];
  readonly route: readonly string[];
  readonly domain: readonly string[];
  readonly dispatchNamespace?: string;
}

/** The newest date that this version's own tests deploy with. */
const COMPATIBILITY_DATE = '2026-11-01';

/**
 * What wrangler's config says, and over it what the options do: a name that an option gives is the option's alone;
 * routes, domains and flags are the options' as soon as there is one of them. Throws `CliError`.
 */
export function givenOf({ config }: Project, options: GivenOptions) {
  const vars = pairsOf('--var', options.var);
  const secrets = pairsOf('--secret', options.secret);
  const bindings = options.binding.map(bindingOf);
  checkRequired(config.secrets.required, secrets);
  const named = new Set([...vars, ...secrets].map(([name]) => name));
  for (const { name } of bindings) named.add(name);
  const ofFile = {
    vars: textsOf(config).filter(([name]) => !named.has(name)),
    bindings: bindingsOf(config).filter(({ name }) => !named.has(name)),
  };
  return {
    compatibilityDate: COMPATIBILITY_DATE,
    ...compatibilityOf(config),
    ...(options.compatibilityDate !== undefined && { compatibilityDate: options.compatibilityDate }),
    ...someOf('compatibilityFlags', options.compatibilityFlag),
    vars: Object.fromEntries([...ofFile.vars, ...vars]),
    ...(secrets.length > 0 && { secrets: Object.fromEntries(secrets) }),
    ...someOf('bindings', [...ofFile.bindings, ...bindings]),
    ...addressesOf(config),
    ...someOf('routes', options.route),
    ...someOf('customDomains', options.domain),
    ...(options.dispatchNamespace !== undefined && { dispatchNamespace: options.dispatchNamespace }),
  };
}

const someOf = (name: string, items: readonly unknown[]): object =>
  items.length > 0 ? { [name]: items } : {};

const pairsOf = (option: string, texts: readonly string[]): [name: string, value: string][] =>
  texts.map((text) =>
    pairOf(
      text,
      `${option} ${text}: expected NAME=${option === '--secret' ? 'the name of a secret of the site' : 'value'}`,
    ),
  );

/** wrangler looks that they are set; what is set here is set by reference. */
function checkRequired(required: readonly string[], given: readonly [name: string, ref: string][]): void {
  const missing = required.filter((name) => !given.some(([one]) => one === name));
  if (missing.length === 0) return;
  const options = missing.map((name) => `--secret ${name}=<name of the site's secret>`).join(' ');
  throw new CliError(
    `wrangler’s config requires secrets: give ${options} ("clawctl secrets set" sets the values), or --skip secrets where "wrangler secret put" has set them`,
  );
}
