import { z } from 'zod';
import { sha256Hex, timeMs } from '../ids.ts';
import { DEPLOY_BYTES_MAX } from '../limits.ts';
import { envFields, takenTwice } from './env.ts';
import { envelope, expiresInMs } from './envelope.ts';
import { lookedAt, strategy } from './rollout.ts';
import { VERSION_BINDING } from './version.ts';
import {
  compatibilityDate,
  compatibilityFlag,
  customDomain,
  modulePath,
  workerName,
  workerRoutes,
} from './worker.ts';

const deployFields = {
  name: workerName,
  mainModule: modulePath,
  compatibilityDate,
  compatibilityFlags: z.array(compatibilityFlag).max(50).optional(),
  ...envFields,
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
