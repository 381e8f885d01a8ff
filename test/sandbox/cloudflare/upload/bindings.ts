import type { z } from 'zod';
import { ApiError, CODES, invalid } from '../api/envelope.ts';
import { type Binding, findVersion, latestVersion, type Script } from '../store/records.ts';
import { type Metadata, UploadedBinding } from './metadata.ts';
import { absentKind, bound, type Inventory, type Owner } from './targets.ts';

/** developers.cloudflare.com/workers/platform/limits#environment-variables: 5 KB each, 128 per Worker. */
const MAX_VARIABLE_BYTES = 5 * 1024;
const MAX_VARIABLES = 128;
const SUPPORTED = UploadedBinding.options.map((option) => option.shape.type.value);

type Raw = NonNullable<Metadata['bindings']>[number];

function parse(raw: Raw): UploadedBinding {
  if (!raw.name)
    throw new ApiError(400, CODES.bindingWithoutName, `A binding of type ${raw.type} has no name.`);
  const nothing = absentKind(raw);
  if (nothing) throw nothing;
  if (!SUPPORTED.some((type) => type === raw.type)) {
    throw invalid(
      `binding ${raw.name} of type ${raw.type} is not supported by the local stand-in for Cloudflare; it has ${SUPPORTED.join(', ')}.`,
    );
  }
  const parsed = UploadedBinding.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw invalid(`binding ${raw.name} of type ${raw.type} is not valid: ${firstIssue(parsed.error)}`);
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim();
}

type Inherit = Extract<UploadedBinding, { type: 'inherit' }>;

function inherited(script: Script | undefined, wish: Inherit): Binding | undefined {
  const named = wish.version_id !== undefined && wish.version_id !== 'latest';
  const version = script && (named ? findVersion(script, wish.version_id ?? '') : latestVersion(script));
  const found = version?.bindings.find((binding) => binding.name === (wish.old_name ?? wish.name));
  return found && { ...found, name: wish.name };
}

/** With `bindings_inherit=strict` a binding that cannot be inherited is an error, else it is dropped. */
function resolve(raw: Raw, script: Script | undefined, strict: boolean): Binding[] {
  const binding = parse(raw);
  if (binding.type !== 'inherit') return [binding];
  const found = inherited(script, binding);
  if (!found && strict) {
    throw new ApiError(
      400,
      CODES.inheritedBindingNotFound,
      `binding ${binding.name} cannot be inherited: the previous version has none.`,
    );
  }
  return found ? [found] : [];
}

function kept(script: Script | undefined, types: readonly string[], given: readonly Binding[]): Binding[] {
  const names = new Set(given.map((binding) => binding.name));
  const previous = script ? latestVersion(script).bindings : [];
  return previous.filter((binding) => types.includes(binding.type) && !names.has(binding.name));
}

const sizeOf = (binding: Binding): number => {
  if (binding.type === 'json') return Buffer.byteLength(JSON.stringify(binding.json));
  return 'text' in binding ? Buffer.byteLength(binding.text) : 0;
};

function checkLimits(bindings: readonly Binding[]): void {
  const names = new Set<string>();
  for (const binding of bindings) {
    if (names.has(binding.name)) throw nameTaken(binding.name);
    names.add(binding.name);
    if (sizeOf(binding) > MAX_VARIABLE_BYTES) {
      throw new ApiError(
        400,
        CODES.variableTooLarge,
        `The value of ${binding.name} exceeds the limit of 5 KB.`,
      );
    }
  }
  if (bindings.length > MAX_VARIABLES) {
    throw new ApiError(
      400,
      CODES.tooManyVariables,
      `A Worker has at most ${MAX_VARIABLES} variables and secrets.`,
    );
  }
}

export const nameTaken = (name: string): ApiError =>
  new ApiError(
    400,
    CODES.bindingNameTaken,
    `Binding name '${name}' already in use. Please use a different name and try again.`,
  );

/** Whose bindings are resolved, and among what. */
export interface Binder {
  readonly present: Script | undefined;
  readonly owner: Owner;
  readonly has: Inventory;
}

/**
 * The bindings of a version to be: the given ones, inherited ones looked up, and those of kept types; each names
 * something that is there.
 */
export function resolveBindings(
  metadata: Pick<Metadata, 'bindings' | 'keep_bindings'>,
  { present, owner, has }: Binder,
  strict: boolean,
): Binding[] {
  const given = (metadata.bindings ?? []).flatMap((raw) => resolve(raw, present, strict));
  const all = [...given, ...kept(present, metadata.keep_bindings ?? [], given)];
  const bindings = all.map((binding) => bound(binding, owner, has));
  checkLimits(bindings);
  return bindings;
}
