import { z } from 'zod';
import { bindingName, secretName } from '../ids.ts';
import { json } from '../json.ts';
import { VERSION_BINDING } from './version.ts';
import { workerName } from './worker.ts';

/** https://developers.cloudflare.com/workers/platform/limits/#environment-variables */
const VARIABLE_CHARS_MAX = 5_120;
const vars = z.record(bindingName, z.string().max(VARIABLE_CHARS_MAX));
const secretRefs = z.record(bindingName, secretName);
const resourceId = z.string().min(1).max(200);
/** Asked of what is missing, too, of which there is no JSON. */
const fitsVariable = (value: unknown): boolean => (JSON.stringify(value) ?? '').length <= VARIABLE_CHARS_MAX;
const variable = json.refine(fitsVariable, {
  error: `expected at most ${VARIABLE_CHARS_MAX} characters of JSON`,
});

/**
 * What a Worker is given beside its variables, in the words of Cloudflare's upload metadata: only what is named by a
 * plain id. https://developers.cloudflare.com/workers/configuration/multipart-upload-metadata/#bindings
 */
export const workerBinding = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('kv_namespace'), name: bindingName, namespace_id: resourceId }),
  z.strictObject({ type: z.literal('d1'), name: bindingName, id: resourceId }),
  z.strictObject({ type: z.literal('r2_bucket'), name: bindingName, bucket_name: resourceId }),
  z.strictObject({ type: z.literal('queue'), name: bindingName, queue_name: resourceId }),
  z.strictObject({
    type: z.literal('service'),
    name: bindingName,
    service: workerName,
    entrypoint: resourceId.optional(),
  }),
  /** A class of another Worker: one of its own needs a migration, which is not deployed from here. */
  z.strictObject({
    type: z.literal('durable_object_namespace'),
    name: bindingName,
    class_name: resourceId,
    script_name: workerName,
  }),
  z.strictObject({ type: z.literal('analytics_engine'), name: bindingName, dataset: resourceId }),
  z.strictObject({ type: z.literal('hyperdrive'), name: bindingName, id: resourceId }),
  z.strictObject({ type: z.literal('vectorize'), name: bindingName, index_name: resourceId }),
  z.strictObject({ type: z.literal('dispatch_namespace'), name: bindingName, namespace: resourceId }),
  /** A variable that is no text. */
  z.strictObject({ type: z.literal('json'), name: bindingName, json: variable }),
]);
export type WorkerBinding = z.infer<typeof workerBinding>;

/** What a Worker finds in its `env`, as a deployment names it. */
export const envFields = {
  vars: vars.optional(),
  secrets: secretRefs.optional(),
  bindings: z.array(workerBinding).max(64).optional(),
};
type Named = z.infer<z.ZodObject<typeof envFields>>;

/** A name that stands for two things in the Worker's `env`, or for what every deployment sets itself. */
export function takenTwice({ vars: variables = {}, secrets = {}, bindings = [] }: Named): string | undefined {
  const all = [
    VERSION_BINDING,
    ...Object.keys(variables),
    ...Object.keys(secrets),
    ...bindings.map(({ name }) => name),
  ];
  return all.find((name, at) => all.indexOf(name) !== at);
}
