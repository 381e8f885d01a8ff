import { z } from 'zod';
import { ApiError, CODES, invalid } from '../api/envelope.ts';
import { Binding } from '../store/records.ts';

/** An inherited binding: taken over from an earlier version, `latest` unless another is named. */
const Inherit = z.strictObject({
  type: z.literal('inherit'),
  name: z.string(),
  old_name: z.string().optional(),
  version_id: z.string().optional(),
});
export const UploadedBinding = z.discriminatedUnion('type', [Inherit, ...Binding.options]);
export type UploadedBinding = z.infer<typeof UploadedBinding>;

/** "Maximum 100 bytes" and "truncated to 1000 bytes if longer": Cloudflare's OpenAPI schema. */
const MAX_TAG_BYTES = 100;
const MAX_MESSAGE_BYTES = 1000;

const bytesIn = (value: string): number => Buffer.byteLength(value);
const truncated = (value: string): string =>
  bytesIn(value) <= MAX_MESSAGE_BYTES ? value : Buffer.from(value).subarray(0, MAX_MESSAGE_BYTES).toString();

export const Annotations = z.strictObject({
  'workers/message': z.string().transform(truncated).optional(),
  'workers/tag': z
    .string()
    .refine((tag) => bytesIn(tag) <= MAX_TAG_BYTES, `must be at most ${MAX_TAG_BYTES} bytes`)
    .optional(),
  /** Names a preview URL, of which there are none here. */
  'workers/alias': z.string().optional(),
});

const CompatibilityDate = z.iso.date();

/** What a version is made of, beside its code. */
const versioned = {
  bindings: z.array(z.looseObject({ type: z.string(), name: z.string().optional() })).optional(),
  keep_bindings: z.array(z.string()).optional(),
  compatibility_date: CompatibilityDate.optional(),
  compatibility_flags: z.array(z.string()).optional(),
  annotations: Annotations.optional(),
};

/** Real fields that change nothing in how a Worker runs on one machine: taken, and some are kept. */
const withoutEffect = {
  logpush: z.boolean().optional(),
  observability: z.json().optional(),
  tags: z.array(z.string()).nullable().optional(),
  tail_consumers: z.array(z.never('tail Workers are not run by the local stand-in')).nullable().optional(),
  placement: z.json().optional(),
  limits: z.json().optional(),
  usage_model: z.enum(['standard', 'bundled', 'unbound']).optional(),
  cache_options: z.json().optional(),
  package_dependencies: z.json().optional(),
  code_update_strategy: z.json().optional(),
};

const classNames = z.array(z.string().min(1)).optional();
/** What becomes of a script's Durable Object classes; classes of the older key-value kind are run as the newer kind. */
const MigrationStep = z.strictObject({
  new_classes: classNames,
  new_sqlite_classes: classNames,
  deleted_classes: classNames,
  renamed_classes: z.array(z.strictObject({ from: z.string(), to: z.string() })).optional(),
  transferred_classes: z.array(z.never('objects are not transferred by the local stand-in')).optional(),
});
export type MigrationStep = z.infer<typeof MigrationStep>;
const tags = { old_tag: z.string().optional(), new_tag: z.string().optional() };
/** Steps, or one step by itself: `migrations` in Cloudflare's OpenAPI schema. */
const Migrations = z.union([
  z.strictObject({ ...tags, steps: z.array(MigrationStep) }),
  MigrationStep.extend(tags).transform(({ old_tag, new_tag, ...step }) => ({
    old_tag,
    new_tag,
    steps: [step],
  })),
]);
export type Migrations = z.infer<typeof Migrations>;

export const Metadata = z.strictObject({
  main_module: z.string().min(1),
  migrations: Migrations.optional(),
  ...versioned,
  ...withoutEffect,
});
export type Metadata = z.infer<typeof Metadata>;

/** `PATCH …/settings`: what changes in the next version and in the script. */
export const SettingsPatch = z.strictObject({ ...versioned, ...withoutEffect });
export type SettingsPatch = z.infer<typeof SettingsPatch>;

/** Real fields that ask for something which is not run here. */
const UNSUPPORTED = new Set([
  'assets',
  'body_part',
  'capnp_schema',
  'containers',
  'exports',
  'keep_assets',
  'streaming_tail_consumers',
]);

function refuseUnsupported(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  const named = Object.keys(value).find((key) => UNSUPPORTED.has(key));
  if (named)
    throw invalid(`The metadata field "${named}" is not supported by the local stand-in for Cloudflare.`);
}

/** The first fault, with its path, as one sentence. */
function fault(error: z.ZodError): string {
  const issue = error.issues[0];
  const path = issue?.path.join('.');
  return `${path ? `${path}: ` : ''}${issue?.message ?? 'not as expected'}`;
}

/** Parses JSON by a schema; any fault is a 400 that names the field. */
export function parseJson<T extends z.ZodType>(schema: T, text: string, what: string): z.output<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ApiError(400, CODES.unparseableBody, `Could not parse request body: ${what} is not JSON.`);
  }
  refuseUnsupported(value);
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalid(`Invalid ${what}: ${fault(parsed.error)}`);
  return parsed.data;
}
