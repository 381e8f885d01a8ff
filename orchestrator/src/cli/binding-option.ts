import type { WorkerBinding } from '@clawdbot/protocol';
import { CliError } from './io.ts';
import { pairOf } from './options.ts';

type OfName = (name: string, id: string) => WorkerBinding | undefined;

/** What `--binding` takes, each as `wrangler pages dev` writes it behind `--kv`, `--d1`, `--do` and so on. */
const FORMS: Readonly<Record<string, { readonly form: string; readonly of: OfName }>> = {
  kv: { form: 'kv:<id>', of: (name, id) => ({ type: 'kv_namespace', name, namespace_id: id }) },
  d1: { form: 'd1:<id>', of: (name, id) => ({ type: 'd1', name, id }) },
  r2: { form: 'r2:<bucket>', of: (name, id) => ({ type: 'r2_bucket', name, bucket_name: id }) },
  queue: { form: 'queue:<name>', of: (name, id) => ({ type: 'queue', name, queue_name: id }) },
  service: { form: 'service:<worker>[#<entrypoint>]', of: service },
  do: { form: 'do:<class>@<worker>', of: durableObject },
  analytics_engine: {
    form: 'analytics_engine:<dataset>',
    of: (name, id) => ({ type: 'analytics_engine', name, dataset: id }),
  },
  hyperdrive: { form: 'hyperdrive:<id>', of: (name, id) => ({ type: 'hyperdrive', name, id }) },
  vectorize: { form: 'vectorize:<index>', of: (name, id) => ({ type: 'vectorize', name, index_name: id }) },
  dispatch_namespace: {
    form: 'dispatch_namespace:<name>',
    of: (name, id) => ({ type: 'dispatch_namespace', name, namespace: id }),
  },
};

/** Of all that there are, for help and complaints. */
export const bindingForms = Object.values(FORMS)
  .map(({ form }) => form)
  .join(', ');

function service(name: string, id: string): WorkerBinding {
  const [worker = '', entrypoint] = id.split('#');
  return { type: 'service', name, service: worker, ...(entrypoint !== undefined && { entrypoint }) };
}

function durableObject(name: string, id: string): WorkerBinding | undefined {
  const [class_name, script_name] = id.split('@');
  return class_name && script_name
    ? { type: 'durable_object_namespace', name, class_name, script_name }
    : undefined;
}

/** `NAME=kv:<id>` and the like. Throws `CliError`. */
export function bindingOf(text: string): WorkerBinding {
  const complaint = `--binding ${text}: expected NAME= and one of ${bindingForms}`;
  const [name, value] = pairOf(text, complaint);
  const at = value.indexOf(':');
  const kind = value.slice(0, Math.max(0, at));
  const id = value.slice(at + 1);
  const binding = Object.hasOwn(FORMS, kind) && id !== '' ? FORMS[kind]?.of(name, id) : undefined;
  if (binding === undefined) throw new CliError(complaint);
  return binding;
}
