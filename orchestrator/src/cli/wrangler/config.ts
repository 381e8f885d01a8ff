import { json } from '@clawdbot/protocol';
import { z } from 'zod';

const text = z.string();
const yes = z.boolean();
/** Of `wrangler dev` alone. */
const local = { remote: yes.optional() };
/** wrangler would make one, and a deployment from here makes none. */
const idOf = (what: string, make: string) =>
  z.string(`expected the id of ${what} (wrangler ${make} makes one)`);

const route = z.strictObject({
  pattern: text,
  custom_domain: yes.optional(),
  // Cloudflare finds the zone by the pattern, or says that there is none.
  zone_id: text.optional(),
  zone_name: text.optional(),
  enabled: z.literal(true, 'expected true: a domain that is off is not deployed').optional(),
  previews_enabled: z.literal(false, 'expected false: there are no previews').optional(),
});

const durableObject = z.strictObject({
  name: text,
  class_name: text,
  script_name: z.string(
    'expected the Worker that has the class: a class of its own takes a migration, which wrangler alone deploys; put it into a Worker of its own',
  ),
});

/**
 * What is deployed of a wrangler config, as wrangler 4 has it; what an entry says beyond that is refused by its name.
 * https://developers.cloudflare.com/workers/wrangler/configuration/
 */
export const wranglerConfig = z.looseObject({
  name: text.optional(),
  main: text.optional(),
  no_bundle: yes.optional(),
  compatibility_date: text.optional(),
  compatibility_flags: z.array(text).optional(),
  vars: z.record(text, json).default({}),
  route: z.union([text, route]).optional(),
  routes: z.array(z.union([text, route])).optional(),
  kv_namespaces: z
    .array(
      z.strictObject({
        binding: text,
        id: idOf('the namespace', 'kv namespace create'),
        preview_id: text.optional(),
        ...local,
      }),
    )
    .default([]),
  d1_databases: z
    .array(
      z.strictObject({
        binding: text,
        database_id: idOf('the database', 'd1 create'),
        database_name: text.optional(),
        preview_database_id: text.optional(),
        database_internal_env: text.optional(),
        // Of `wrangler d1 migrations`: a deployment never applies them.
        migrations_table: text.optional(),
        migrations_dir: text.optional(),
        migrations_pattern: text.optional(),
        ...local,
      }),
    )
    .default([]),
  r2_buckets: z
    .array(
      z.strictObject({
        binding: text,
        bucket_name: idOf('the bucket', 'r2 bucket create'),
        preview_bucket_name: text.optional(),
        local_dev: z.unknown().optional(),
        ...local,
      }),
    )
    .default([]),
  queues: z
    .looseObject({
      producers: z.array(z.strictObject({ binding: text, queue: text, ...local })).default([]),
    })
    .default({ producers: [] }),
  services: z
    .array(z.strictObject({ binding: text, service: text, entrypoint: text.optional(), ...local }))
    .default([]),
  durable_objects: z.strictObject({ bindings: z.array(durableObject) }).default({ bindings: [] }),
  analytics_engine_datasets: z
    .array(z.strictObject({ binding: text, dataset: text.optional(), ...local }))
    .default([]),
  hyperdrive: z
    .array(z.strictObject({ binding: text, id: text, localConnectionString: text.optional(), ...local }))
    .default([]),
  vectorize: z.array(z.strictObject({ binding: text, index_name: text, ...local })).default([]),
  dispatch_namespaces: z.array(z.strictObject({ binding: text, namespace: text, ...local })).default([]),
  version_metadata: z
    .strictObject({
      binding: z.literal(
        'CF_VERSION_METADATA',
        'expected CF_VERSION_METADATA, under which every deployment has it',
      ),
    })
    .optional(),
  /** Names alone: the values are elsewhere. */
  secrets: z.strictObject({ required: z.array(text).default([]) }).default({ required: [] }),
});
export type WranglerConfig = z.infer<typeof wranglerConfig>;

/** Of a folder that has none. */
export const NO_CONFIG: WranglerConfig = wranglerConfig.parse({});
