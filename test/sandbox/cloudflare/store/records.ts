import { z } from 'zod';

/** A binding that the stand-in can give to a Worker; anything else is refused at upload. */
export const Binding = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('plain_text'), name: z.string(), text: z.string() }),
  z.strictObject({ type: z.literal('json'), name: z.string(), json: z.json() }),
  z.strictObject({ type: z.literal('secret_text'), name: z.string(), text: z.string() }),
  z.strictObject({ type: z.literal('version_metadata'), name: z.string() }),
]);
export type Binding = z.infer<typeof Binding>;

/** A module as it is kept: the bytes lie in the blob of that digest. */
export const StoredModule = z.strictObject({
  name: z.string(),
  contentType: z.string(),
  sha256: z.string(),
  bytes: z.int(),
});
export type StoredModule = z.infer<typeof StoredModule>;

const Source = z.enum(['wrangler', 'api']);
export type Source = z.infer<typeof Source>;
const Annotations = z.record(z.string(), z.string());

/** An immutable version of a script; `number` counts from 1. */
export const Version = z.strictObject({
  id: z.uuid(),
  number: z.int(),
  createdOn: z.string(),
  source: Source,
  annotations: Annotations,
  mainModule: z.string(),
  modules: z.array(StoredModule),
  bindings: z.array(Binding),
  compatibilityDate: z.string(),
  compatibilityFlags: z.array(z.string()),
  handlers: z.array(z.string()),
  namedHandlers: z.array(z.strictObject({ name: z.string(), handlers: z.array(z.string()) })),
  startupTimeMs: z.number(),
});
export type Version = z.infer<typeof Version>;

export const Deployment = z.strictObject({
  id: z.uuid(),
  createdOn: z.string(),
  source: Source,
  annotations: Annotations,
  versions: z.array(z.strictObject({ versionId: z.uuid(), percentage: z.number() })).min(1),
});
export type Deployment = z.infer<typeof Deployment>;

/** Settings that Cloudflare keeps per script and that change nothing in how it runs here. */
export const ScriptSettings = z.strictObject({
  logpush: z.boolean().optional(),
  observability: z.json().optional(),
  tags: z.array(z.string()).nullable().optional(),
});
export type ScriptSettings = z.infer<typeof ScriptSettings>;

/** All that is known of one script. `versions` and `deployments` are oldest first and never empty. */
export const Script = z.strictObject({
  name: z.string(),
  tag: z.string(),
  createdOn: z.string(),
  modifiedOn: z.string(),
  subdomain: z.strictObject({ enabled: z.boolean(), previewsEnabled: z.boolean() }),
  port: z.int().optional(),
  settings: ScriptSettings,
  /** Route patterns and custom domains. */
  routes: z.array(z.string()).default([]),
  domains: z.array(z.string()).default([]),
  versions: z.array(Version).min(1),
  deployments: z.array(Deployment).min(1),
});
export type Script = z.infer<typeof Script>;

function last<T>(items: readonly T[]): T {
  const item = items.at(-1);
  if (item === undefined) throw new Error('a stored script always has a version and a deployment');
  return item;
}

export const latestVersion = (script: Script): Version => last(script.versions);
export const currentDeployment = (script: Script): Deployment => last(script.deployments);
export const findVersion = (script: Script, id: string): Version | undefined =>
  script.versions.find((version) => version.id === id);
