import { randomUUID } from 'node:crypto';
import { ApiError, CODES, invalid } from '../api/envelope.ts';
import type { WireCode } from '../runner/wire.ts';
import type { Runner, WorkerExports } from '../serve/runner.ts';
import type { Blobs } from '../store/files.ts';
import type { Binding, Source, StoredModule, Version } from '../store/records.ts';
import { type Module, wireModules } from './modules.ts';

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
}

/** What building needs from the platform. */
export interface Workshop {
  blobs: Blobs;
  runner: Runner;
  now: () => number;
}

type Identity = Pick<Version, 'id' | 'annotations' | 'createdOn'>;

function envValue(binding: Binding, version: Identity): unknown {
  switch (binding.type) {
    case 'plain_text':
    case 'secret_text':
      return binding.text;
    case 'json':
      return binding.json;
    case 'version_metadata':
      return {
        id: version.id,
        tag: version.annotations['workers/tag'] ?? '',
        timestamp: version.createdOn,
      };
    default:
      return binding satisfies never;
  }
}

function wireCode(draft: Omit<Draft, 'source'>, identity: Identity): WireCode {
  return {
    compatibilityDate: draft.compatibilityDate,
    compatibilityFlags: draft.compatibilityFlags,
    mainModule: draft.mainModule,
    modules: wireModules(draft.modules),
    env: Object.fromEntries(draft.bindings.map((binding) => [binding.name, envValue(binding, identity)])),
  };
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
  const exports = await shop.runner.probe(wireCode(draft, identity));
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
  return wireCode({ ...version, modules: await loadModules(version, blobs) }, version);
}
