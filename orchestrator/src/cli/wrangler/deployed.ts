import type { WorkerBinding } from '@clawdbot/protocol';
import type { WranglerConfig } from './config.ts';

/** What a config says of its bindings, as a deployment takes them; variables that are no text among them. */
export const bindingsOf = (config: WranglerConfig): WorkerBinding[] => [
  ...Object.entries(config.vars).flatMap(([name, value]): WorkerBinding[] =>
    typeof value === 'string' ? [] : [{ type: 'json', name, json: value }],
  ),
  ...config.kv_namespaces.map(
    ({ binding: name, id }): WorkerBinding => ({ type: 'kv_namespace', name, namespace_id: id }),
  ),
  ...config.d1_databases.map(
    ({ binding: name, database_id: id }): WorkerBinding => ({ type: 'd1', name, id }),
  ),
  ...config.r2_buckets.map(
    ({ binding: name, bucket_name }): WorkerBinding => ({ type: 'r2_bucket', name, bucket_name }),
  ),
  ...config.queues.producers.map(
    ({ binding: name, queue }): WorkerBinding => ({ type: 'queue', name, queue_name: queue }),
  ),
  ...config.services.map(
    ({ binding: name, service, entrypoint }): WorkerBinding => ({
      ...{ type: 'service', name, service },
      ...(entrypoint !== undefined && { entrypoint }),
    }),
  ),
  ...config.durable_objects.bindings.map(
    (binding): WorkerBinding => ({ type: 'durable_object_namespace', ...binding }),
  ),
  ...config.analytics_engine_datasets.map(
    // wrangler's rule: without a name the dataset is called as the binding is.
    ({ binding: name, dataset = name }): WorkerBinding => ({ type: 'analytics_engine', name, dataset }),
  ),
  ...config.hyperdrive.map(({ binding: name, id }): WorkerBinding => ({ type: 'hyperdrive', name, id })),
  ...config.vectorize.map(
    ({ binding: name, index_name }): WorkerBinding => ({ type: 'vectorize', name, index_name }),
  ),
  ...config.dispatch_namespaces.map(
    ({ binding: name, namespace }): WorkerBinding => ({ type: 'dispatch_namespace', name, namespace }),
  ),
];

/** Variables that are text. */
export const textsOf = ({ vars }: WranglerConfig): [name: string, text: string][] =>
  Object.entries(vars).flatMap(([name, value]): [string, string][] =>
    typeof value === 'string' ? [[name, value]] : [],
  );

/** Route patterns, and host names of the account's own. Absent where there are none: what the Worker has, it keeps. */
export function addressesOf({ route, routes = [] }: WranglerConfig) {
  const all = route === undefined ? routes : [route, ...routes];
  const entries = all.map((entry) => (typeof entry === 'string' ? { pattern: entry } : entry));
  const isDomain = (entry: object): boolean => 'custom_domain' in entry && entry.custom_domain === true;
  const domains = entries.filter(isDomain).map(({ pattern }) => pattern);
  const others = entries.filter((entry) => !isDomain(entry)).map(({ pattern }) => pattern);
  return {
    ...(others.length > 0 && { routes: others }),
    ...(domains.length > 0 && { customDomains: domains }),
  };
}

/** What it says of compatibility. */
export const compatibilityOf = ({ compatibility_date, compatibility_flags = [] }: WranglerConfig) => ({
  ...(compatibility_date !== undefined && { compatibilityDate: compatibility_date }),
  ...(compatibility_flags.length > 0 && { compatibilityFlags: compatibility_flags }),
});
