import { z } from 'zod';
import { errorCode } from './errors.ts';
import {
  bindingName,
  commandId,
  orchestratorId,
  secretName,
  sha256Hex,
  siteId,
  timeMs,
  workerVersionId,
} from './ids.ts';
import { json } from './json.ts';
import { DEPLOY_BYTES_MAX } from './limits.ts';
import { siteConfig } from './site/config.ts';

/** Cloudflare's rule for script names: https://developers.cloudflare.com/workers/platform/limits/ */
export const workerName = z
  .string()
  .regex(
    /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/,
    'expected a Worker name: 1 to 63 of a-z, 0-9, "_" and "-"',
  );

const modulePath = z
  .string()
  .max(256)
  .regex(
    /^(?!\/)(?!.*(^|\/)\.\.?(\/|$))[\w@./-]+$/,
    'expected a relative module path without "." or ".." parts',
  );

const compatibilityDate = z.iso.date('expected a date, YYYY-MM-DD');

/** https://developers.cloudflare.com/workers/platform/limits/#environment-variables */
const VARIABLE_CHARS_MAX = 5_120;
const vars = z.record(bindingName, z.string().max(VARIABLE_CHARS_MAX));
const secretRefs = z.record(bindingName, secretName);
/** `example.com/*`: https://developers.cloudflare.com/workers/configuration/routing/routes/ */
const routePattern = z
  .string()
  .max(500)
  .regex(
    /^(?:https?:\/\/)?[^/?#\s]+\.[^/?#\s]+(?:\/[^?#\s]*)?$/,
    'expected a route pattern, e.g. example.com/*',
  );
const workerRoutes = z.array(routePattern).max(50);
const customDomain = z
  .string()
  .max(253)
  .regex(
    /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/,
    'expected a host name in lower case, e.g. shop.example.com',
  );
const compatibilityFlag = z.string().regex(/^[a-z0-9_]{1,100}$/, 'expected a compatibility flag');
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

/** Tells a Worker its own version … */
export const VERSION_BINDING = 'CF_VERSION_METADATA';
/** … which it may say in each answer; our templates do. In lower case. */
export const VERSION_HEADER = 'worker-version';
/** … and in each request that it sends to the relay, where it is counted by and goes no further. In lower case. */
export const SENT_BY_HEADER = 'x-orchestrator-worker-version';

/** What a Worker is asked for, and what it has to answer. */
export const lookedAt = z.strictObject({
  path: z.string().startsWith('/').max(500),
  status: z.int().min(100).max(599).default(200),
});
export type LookedAt = z.infer<typeof lookedAt>;

const healthCheck = lookedAt.extend({ maxErrorRate: z.number().min(0).max(1).default(0) });

/** Shares have to add up to 100, which that of a finer step and its rest do not. */
const STEP_MIN = 0.001;

const ascending = (steps: readonly number[]): boolean =>
  steps.every((step, at) => step > (steps[at - 1] ?? 0)) && steps.at(-1) === 100;

/** Percentages of the traffic, one after another. */
export const rolloutSteps = z
  .array(z.number().gt(0).max(100).multipleOf(STEP_MIN, 'expected at most 3 decimals'))
  .min(1)
  .max(10)
  .refine(ascending, { error: 'expected percentages that ascend and end at 100, e.g. [1, 10, 100]' });

/** How a new version reaches its visitors: all at once, or by percentages with a bake time between them. */
export const strategy = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('immediate') }),
  z.strictObject({
    type: z.literal('gradual'),
    steps: rolloutSteps,
    bakeMs: z.int().min(0).max(86_400_000),
    healthCheck,
  }),
]);

const deployFields = {
  name: workerName,
  mainModule: modulePath,
  compatibilityDate,
  compatibilityFlags: z.array(compatibilityFlag).max(50).optional(),
  vars: vars.optional(),
  secrets: secretRefs.optional(),
  bindings: z.array(workerBinding).max(64).optional(),
  /** All of the Worker's; without it they stay as they are. */
  routes: workerRoutes.optional(),
  /** These are attached; one is detached when the deployment that attached it is undone, and never else. */
  customDomains: z.array(customDomain).max(20).optional(),
  /** Of Workers for Platforms: all at once, and without an address of its own. */
  dispatchNamespace: z
    .string()
    .regex(/^[a-zA-Z0-9_-]{1,63}$/, 'expected the name of a dispatch namespace')
    .optional(),
  /** Takes a Worker that somebody made outside of this system. */
  adopt: z.boolean().optional(),
  strategy: strategy.optional(),
  /**
   * What the scheduled looks at the deployed Worker ask for; else as a gradual strategy's check does, else "/", where
   * any answer below 500 is good: a Worker that answers 404 there is alive.
   */
  health: lookedAt.optional(),
};

const moduleSource = z.union([z.string(), z.strictObject({ base64: z.base64('expected base64') })], {
  error: 'expected text, or { base64 }',
});
export type ModuleSource = z.infer<typeof moduleSource>;

const utf8 = new TextEncoder();
/** Bytes of base64 text, without decoding it. */
const base64Bytes = (text: string): number => Math.floor((text.replace(/=+$/, '').length * 3) / 4);
const sourceBytes = (source: ModuleSource): number =>
  typeof source === 'string' ? utf8.encode(source).length : base64Bytes(source.base64);

const expiresInMs = z
  .int()
  .min(1_000)
  .max(30 * 24 * 3_600_000);

type Named = Pick<z.infer<z.ZodObject<typeof deployFields>>, 'vars' | 'secrets' | 'bindings'>;

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

type Reached = Pick<z.infer<z.ZodObject<typeof deployFields>>, 'strategy' | 'routes' | 'customDomains'>;
const isPlain = ({ strategy: how, routes, customDomains }: Reached): boolean =>
  how?.type !== 'gradual' && routes === undefined && customDomains === undefined;

/** `deploy_worker` as the operator sends it: the modules travel inside. */
export const deployPayload = z
  .strictObject({
    ...deployFields,
    modules: z.record(modulePath, moduleSource),
    expiresInMs: expiresInMs.optional(),
  })
  .refine((payload) => Object.hasOwn(payload.modules, payload.mainModule), {
    path: ['mainModule'],
    error: 'expected the path of one of the modules',
  })
  .refine(
    (payload) =>
      Object.values(payload.modules).reduce((sum, source) => sum + sourceBytes(source), 0) <=
      DEPLOY_BYTES_MAX,
    {
      path: ['modules'],
      error: `expected at most ${DEPLOY_BYTES_MAX} bytes together`,
    },
  )
  .refine((payload) => !Object.hasOwn(payload.modules, 'metadata'), {
    path: ['modules', 'metadata'],
    error: 'expected another path: Cloudflare takes this one for itself',
  })
  .refine((payload) => payload.dispatchNamespace === undefined || isPlain(payload), {
    path: ['dispatchNamespace'],
    error: 'expected neither a gradual strategy nor routes or customDomains with it',
  })
  .refine((payload) => takenTwice(payload) === undefined, {
    path: ['bindings'],
    error: `expected each name once among vars, secrets and bindings, and ${VERSION_BINDING} in none of them`,
  });
export type DeployPayload = z.infer<typeof deployPayload>;

const rollbackFields = {
  name: workerName,
  /** One of the last 100; else the one that served everybody before the one that does now. */
  versionId: workerVersionId.optional(),
  /** Also behind a change of the Worker's secrets: the older version has its own, as they were. */
  force: z.boolean().optional(),
};

/** `rollback_worker` as the operator sends it: an older version gets all traffic. */
export const rollbackPayload = z.strictObject({ ...rollbackFields, expiresInMs: expiresInMs.optional() });
export type RollbackPayload = z.infer<typeof rollbackPayload>;

const adoptFields = { name: workerName };

/** `adopt_worker` as the operator sends it: a Worker that is there becomes the site's, as it is. */
export const adoptPayload = z.strictObject({ ...adoptFields, expiresInMs: expiresInMs.optional() });
export type AdoptPayload = z.infer<typeof adoptPayload>;

/** `update_config` as the operator sends it: a merge patch (RFC 7396) or the whole, and what it was based on. */
export const updateConfigPayload = z
  .strictObject({
    base: z.int().min(0),
    patch: json.optional(),
    config: json.optional(),
    /** Why: it stands in the config's history. */
    note: z.string().min(1).max(500).optional(),
    expiresInMs: expiresInMs.optional(),
  })
  .refine((payload) => (payload.patch === undefined) !== (payload.config === undefined), {
    error: 'expected either patch or config',
  });
export type UpdateConfigPayload = z.infer<typeof updateConfigPayload>;

export const statusPayload = z.strictObject({});

const envelope = { commandId, siteId, expiresAt: timeMs.optional() };

/** One module of a deployment, by digest: the orchestrator pulls its bytes as a blob. */
export const moduleRef = z.object({ path: modulePath, sha256: sha256Hex, bytes: z.int().min(0) });

/** `deploy_worker` as it crosses the control log. */
export const deployWorker = z.object({
  type: z.literal('deploy_worker'),
  ...envelope,
  ...deployFields,
  modules: z.array(moduleRef).min(1).max(1_000),
  /** An earlier database of this orchestrator had it: it may have run there, so look before anything is done. */
  again: z.boolean().optional(),
});
export type DeployWorker = z.infer<typeof deployWorker>;

/** `rollback_worker` as it crosses the control log. */
export const rollbackWorker = z.object({
  type: z.literal('rollback_worker'),
  ...envelope,
  ...rollbackFields,
  again: z.boolean().optional(),
});
export type RollbackWorker = z.infer<typeof rollbackWorker>;

/** `adopt_worker` as it crosses the control log. */
export const adoptWorker = z.object({
  type: z.literal('adopt_worker'),
  ...envelope,
  ...adoptFields,
  /**
   * Of a site that was moved here: the version that the orchestrator before has deployed, and what its health is looked at
   * by. Another version that serves is drift.
   */
  deployed: z.object({ versionId: workerVersionId, lookedAt: lookedAt.optional() }).optional(),
  again: z.boolean().optional(),
});
export type AdoptWorker = z.infer<typeof adoptWorker>;

/** `update_config` as it crosses the control log: always the whole config of that generation. */
export const updateConfig = z.object({
  type: z.literal('update_config'),
  ...envelope,
  generation: z.int().min(1),
  digest: sha256Hex,
  config: siteConfig,
});
export type UpdateConfig = z.infer<typeof updateConfig>;

/** Stops a command that is queued or running on the orchestrator, if it still can be stopped. */
export const cancelCommand = z.object({
  type: z.literal('cancel_command'),
  commandId,
  reason: z.string().max(500),
});

/** The site is no longer this orchestrator's: its config goes, and what is still to be done for it is cancelled. */
export const removeSite = z.object({
  type: z.literal('remove_site'),
  siteId,
  /** The orchestrator that has it now, if it was not deleted: what was deployed for it is that one's, too. */
  movedTo: orchestratorId.optional(),
});
export type RemoveSite = z.infer<typeof removeSite>;

/** Takes the place of an entry that was withdrawn before it was ever sent, so that positions have no gap. */
export const withdrawn = z.object({ type: z.literal('withdrawn'), commandId });

export const commandType = z.enum(['deploy_worker', 'rollback_worker', 'adopt_worker', 'update_config']);
export type CommandType = z.infer<typeof commandType>;

export const commandState = z.enum([
  'queued',
  'delivered',
  'running',
  'succeeded',
  'failed',
  'expired',
  'cancelled',
]);
export type CommandState = z.infer<typeof commandState>;

export const finalState = z.enum(['succeeded', 'failed', 'expired', 'cancelled']);
export const isFinal = (state: CommandState): boolean => finalState.safeParse(state).success;

export const commandError = z.object({ code: errorCode, message: z.string().max(2_000) });

/**
 * How far a deployment is known to have come, each with its time. `accepted`: Cloudflare gave these ids. `observed`:
 * the Worker answered with this version's id; one that does not say its version can only be `reachable`.
 */
export const deployReceipts = z.object({
  intended: z.object({ at: timeMs }),
  accepted: z.object({ at: timeMs, versionId: z.string(), deploymentId: z.string() }).optional(),
  observed: z.object({ at: timeMs }).optional(),
  reachable: z.object({ at: timeMs }).optional(),
});
export type DeployReceipts = z.infer<typeof deployReceipts>;

/** What became of a deployment. `proof` says how far it was seen, never more. */
export const deployResult = z.object({
  deploymentId: z.string(),
  versionId: z.string(),
  /** '' where it has none of its own: in a dispatch namespace. */
  url: z.string(),
  proof: z.enum(['observed', 'reachable', 'accepted']),
  receipts: deployReceipts,
});
export type DeployResult = z.infer<typeof deployResult>;

export const updateConfigResult = z.object({ generation: z.int(), digest: sha256Hex });
