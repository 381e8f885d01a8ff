/** What a binding names must be there. Codes and words as Cloudflare's live API has them: see `CODES`. */
import { ApiError, CODES } from '../api/envelope.ts';
import type { Binding, ObjectClass, Script } from '../store/records.ts';

/** What the account has that a binding can name. */
export interface Inventory {
  /** One of the account's own scripts. */
  script(name: string): Script | undefined;
  hasQueue(name: string): boolean;
  hasNamespace(name: string): boolean;
}

/** The script that gets the binding, as it will be. */
export interface Owner {
  readonly name: string;
  readonly classes: readonly ObjectClass[];
}

const absent = (code: number, message: string): ApiError => new ApiError(400, code, message);

/** The account has none of these kinds: what is named is not there. */
export function absentKind(raw: { type: string; [member: string]: unknown }): ApiError | undefined {
  const named = (member: string): string => String(raw[member] ?? '');
  switch (raw.type) {
    case 'kv_namespace':
      return absent(
        CODES.kvNamespaceNotFound,
        `KV namespace '${named('namespace_id')}' not found. Verify the namespace exists in your account and that the namespace_id is correct.`,
      );
    case 'd1':
      return absent(
        CODES.databaseNotFound,
        `D1 binding '${named('name')}' references database '${named('id')}' which was not found.`,
      );
    case 'r2_bucket':
      return absent(
        CODES.bucketNotFound,
        `R2 bucket '${named('bucket_name')}' not found. Verify the bucket exists in your account and that the bucket_name is correct.`,
      );
    case 'hyperdrive':
      return absent(
        CODES.hyperdriveNotFound,
        `Hyperdrive binding '${named('name')}' references config '${named('id')}' which was not found.`,
      );
    case 'vectorize':
      return absent(
        CODES.vectorizeIndexNotFound,
        `Vectorize binding '${named('name')}' references index '${named('index_name')}' which was not found.`,
      );
    default:
      return undefined;
  }
}

/** The binding with what the API adds to it. Throws the refusal when it names nothing. */
export function bound(binding: Binding, owner: Owner, has: Inventory): Binding {
  switch (binding.type) {
    case 'service':
      checkService(binding, owner, has);
      return binding;
    case 'queue':
      if (has.hasQueue(binding.queue_name)) return binding;
      throw absent(
        CODES.queueNotFound,
        `Queue '${binding.queue_name}' not found. Please verify it exists and try again.`,
      );
    case 'dispatch_namespace':
      if (has.hasNamespace(binding.namespace)) return binding;
      throw absent(
        CODES.dispatchNamespaceNotFound,
        'The specified dispatch namespace does not exist on this account.',
      );
    case 'durable_object_namespace':
      return { ...binding, namespace_id: classOf(binding, owner, has).id };
    default:
      return binding;
  }
}

type Service = Extract<Binding, { type: 'service' }>;
type Objects = Extract<Binding, { type: 'durable_object_namespace' }>;

/** A Worker may be bound to itself, also by its first version. */
function checkService({ name, service }: Service, owner: Owner, has: Inventory): void {
  if (service === owner.name || has.script(service) !== undefined) return;
  throw absent(
    CODES.serviceBindingNotFound,
    `Service binding '${name}' references environment 'production' on Worker '${service}' which was not found.`,
  );
}

function classOf({ class_name, script_name }: Objects, owner: Owner, has: Inventory): ObjectClass {
  const isOwn = script_name === undefined || script_name === owner.name;
  const classes = isOwn ? owner.classes : has.script(script_name)?.classes;
  const found = classes?.find(({ name }) => name === class_name);
  if (found) return found;
  throw absent(CODES.objectClassNotFound, whyNoClass(class_name, isOwn ? undefined : script_name, classes));
}

function whyNoClass(
  name: string,
  script: string | undefined,
  classes: readonly ObjectClass[] | undefined,
): string {
  const what = `Cannot create binding for class '${name}'`;
  if (script === undefined) {
    return `${what} because it is not currently configured to implement Durable Objects. Ensure a --new-class migration has been applied to it.`;
  }
  return classes === undefined
    ? `${what} in script '${script}' that does not exist.`
    : `${what} that is not exported by script '${script}'.`;
}
