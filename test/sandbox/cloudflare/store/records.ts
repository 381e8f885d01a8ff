import { z } from 'zod';

/** A binding that the stand-in can give to a Worker; anything else is refused at upload. */
export const Binding = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('plain_text'), name: z.string(), text: z.string() }),
  z.strictObject({ type: z.literal('json'), name: z.string(), json: z.json() }),
  z.strictObject({ type: z.literal('secret_text'), name: z.string(), text: z.string() }),
  z.strictObject({ type: z.literal('version_metadata'), name: z.string() }),
  z.strictObject({
    type: z.literal('service'),
    name: z.string(),
    service: z.string(),
    environment: z.literal('production').optional(),
    entrypoint: z.string().optional(),
  }),
  z.strictObject({
    type: z.literal('durable_object_namespace'),
    name: z.string(),
    class_name: z.string(),
    /** Absent: the Worker's own class. */
    script_name: z.string().optional(),
    environment: z.literal('production').optional(),
    /** Given by the API, never by whoever uploads. */
    namespace_id: z.string().optional(),
  }),
  z.strictObject({ type: z.literal('queue'), name: z.string(), queue_name: z.string() }),
  z.strictObject({ type: z.literal('dispatch_namespace'), name: z.string(), namespace: z.string() }),
  z.strictObject({ type: z.literal('analytics_engine'), name: z.string(), dataset: z.string() }),
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
  /** The last migration of the script's Durable Object classes when it was uploaded. */
  migrationTag: z.string().optional(),
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

/** A Durable Object class that a migration has made; its objects belong to `id`, whatever it is called. */
export const ObjectClass = z.strictObject({ id: z.string(), name: z.string() });
export type ObjectClass = z.infer<typeof ObjectClass>;

/** All that is known of one script. `versions` and `deployments` are oldest first and never empty. */
export const Script = z.strictObject({
  name: z.string(),
  /** The dispatch namespace that it is in; such a script has one version, and no address. */
  namespace: z.string().optional(),
  tag: z.string(),
  createdOn: z.string(),
  modifiedOn: z.string(),
  subdomain: z.strictObject({ enabled: z.boolean(), previewsEnabled: z.boolean() }),
  port: z.int().optional(),
  settings: ScriptSettings,
  /** Route patterns and custom domains. */
  routes: z.array(z.string()).default([]),
  domains: z.array(z.string()).default([]),
  classes: z.array(ObjectClass).default([]),
  migrationTag: z.string().optional(),
  versions: z.array(Version).min(1),
  deployments: z.array(Deployment).min(1),
});
export type Script = z.infer<typeof Script>;

function last<T>(items: readonly T[]): T {
  const item = items.at(-1);
  if (item === undefined) throw new Error('a stored script always has a version and a deployment');
  return item;
}

/** What a script is found by: its name, in a dispatch namespace with that before it. */
export const keyOf = ({ name, namespace }: Pick<Script, 'name' | 'namespace'>): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

export const latestVersion = (script: Script): Version => last(script.versions);
export const currentDeployment = (script: Script): Deployment => last(script.deployments);
export const findVersion = (script: Script, id: string): Version | undefined =>
  script.versions.find((version) => version.id === id);
