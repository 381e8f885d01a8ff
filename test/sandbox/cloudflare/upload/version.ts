import { randomUUID } from 'node:crypto';
import { ApiError, CODES, invalid } from '../api/envelope.ts';
import type { WireCode, WireResource } from '../runner/wire.ts';
import type { Runner, WorkerExports } from '../serve/runner.ts';
import type { Blobs } from '../store/files.ts';
import type { Binding, Source, StoredModule, Version } from '../store/records.ts';
import { type Module, wireModules } from './modules.ts';
import type { Inventory } from './targets.ts';

/** Without a date a Worker runs as on 2021-11-02: developers.cloudflare.com/workers/configuration/compatibility-dates. */
export const OLDEST_COMPATIBILITY_DATE = '2021-11-02';

/** All that makes a version, before it was tried out. */
export interface Draft {
  mainModule: string;
  modules: Module[];
  bindings: Binding[];
  compatibilityDate: string;
  compatibilityFlags: string[];
  annotations: Record<string, string>;
  source: Source;
  migrationTag?: string;
}

/** What building needs from the platform. */
export interface Workshop {
  blobs: Blobs;
  runner: Runner;
  has: Inventory;
  now: () => number;
}

type Identity = Pick<Version, 'id' | 'annotations' | 'createdOn'>;

/** A plain value, or what the runner makes a resource of. */
function wireValue(binding: Binding, version: Identity): { value: unknown } | { resource: WireResource } {
  switch (binding.type) {
    case 'plain_text':
    case 'secret_text':
      return { value: binding.text };
    case 'json':
      return { value: binding.json };
    case 'version_metadata': {
      const tag = version.annotations['workers/tag'] ?? '';
      return { value: { id: version.id, tag, timestamp: version.createdOn } };
    }
    case 'service': {
      const { service: script, entrypoint } = binding;
      return { resource: { kind: 'service', script, ...(entrypoint !== undefined && { entrypoint }) } };
    }
    case 'dispatch_namespace':
      return { resource: { kind: 'dispatch', namespace: binding.namespace } };
    case 'queue':
      return { resource: { kind: 'queue', name: binding.queue_name } };
    case 'durable_object_namespace':
      return { resource: { kind: 'objects', namespace: binding.namespace_id ?? '' } };
    case 'analytics_engine':
      return { resource: { kind: 'dataset' } };
    default:
      return binding satisfies never;
  }
}

function wireCode(
  draft: Omit<Draft, 'source' | 'migrationTag'>,
  identity: Identity,
  hasDefault: boolean,
): WireCode {
  const env: WireCode['env'] = {};
  const resources: WireCode['resources'] = {};
  for (const binding of draft.bindings) {
    const wired = wireValue(binding, identity);
    if ('resource' in wired) resources[binding.name] = wired.resource;
    else env[binding.name] = wired.value;
  }
  const { compatibilityDate, compatibilityFlags, mainModule } = draft;
  const modules = wireModules(draft.modules);
  return { compatibilityDate, compatibilityFlags, mainModule, hasDefault, modules, env, resources };
}

function checkDate(date: string, nowMs: number): void {
  const today = new Date(nowMs).toISOString().slice(0, 10);
  if (date > today) throw invalid(`Can't set compatibility date in the future: ${date}`);
}

function handlersOf(exports: WorkerExports): Pick<Version, 'handlers' | 'namedHandlers'> {
  const handlers = exports.find(({ name }) => name === 'default')?.handlers ?? [];
  const named = exports.filter((exported) => exported.name !== 'default' && exported.class);
  if (handlers.length === 0 && named.length === 0) {
    throw new ApiError(400, CODES.noHandlers, 'The uploaded script has no registered event handlers.');
  }
  return { handlers, namedHandlers: named.map(({ name, handlers: has }) => ({ name, handlers: has })) };
}

function storeModules(modules: readonly Module[], blobs: Blobs): Promise<StoredModule[]> {
  return Promise.all(
    modules.map(async ({ name, contentType, bytes }) => ({
      name,
      contentType,
      sha256: await blobs.put(bytes),
      bytes: bytes.byteLength,
    })),
  );
}

/** Tries the draft out in the runner, then stores its modules: a version that cannot start never exists. */
export async function buildVersion(draft: Draft, number: number, shop: Workshop): Promise<Version> {
  checkDate(draft.compatibilityDate, shop.now());
  const startedAt = shop.now();
  const createdOn = new Date(startedAt).toISOString();
  const identity = { id: randomUUID(), createdOn, annotations: draft.annotations };
  const exports = await shop.runner.probe(wireCode(draft, identity, false));
  const { modules, ...rest } = draft;
  return {
    ...rest,
    ...identity,
    number,
    ...handlersOf(exports),
    modules: await storeModules(modules, shop.blobs),
    startupTimeMs: shop.now() - startedAt,
  };
}

/** A stored version's modules with their bytes. */
export function loadModules(version: Version, blobs: Blobs): Promise<Module[]> {
  return Promise.all(
    version.modules.map(async ({ name, contentType, sha256 }) => ({
      name,
      contentType,
      bytes: await blobs.get(sha256),
    })),
  );
}

/** A stored version as the runner loads it, with its variables and secrets. */
export async function storedCode(version: Version, blobs: Blobs): Promise<WireCode> {
  const hasDefault = version.handlers.length > 0;
  return wireCode({ ...version, modules: await loadModules(version, blobs) }, version, hasDefault);
}
