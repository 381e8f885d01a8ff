/** What the stand-in and the Worker inside the runner's workerd agree on. Imports nothing: it runs in both. */

/** Every header below this prefix is ours: dropped when a customer sends it, never shown to a Worker. */
export const INTERNAL_PREFIX = 'x-standin-';
export const TOKEN_HEADER = `${INTERNAL_PREFIX}token`;
export const SCRIPT_HEADER = `${INTERNAL_PREFIX}script`;
export const VERSION_HEADER = `${INTERNAL_PREFIX}version`;
/** Present on a request that brings code to be tried out, not run. */
export const PROBE_HEADER = `${INTERNAL_PREFIX}probe`;

/** Present on a request that brings a queue's messages: the queue's name. */
export const QUEUE_HEADER = `${INTERNAL_PREFIX}queue`;

/** What the runner asks of the API's process, below its origin. */
export const PATHS = {
  /** A version's code. */
  code: (script: string, version: string): string => `/_runner/code/${encodeURIComponent(script)}/${version}`,
  /** The version that serves one request to a Worker: `{ version }`. */
  serving: (script: string): string => `/_runner/serving/${encodeURIComponent(script)}`,
  /** What a Durable Object namespace runs now: `{ script, version, className }`. */
  objects: (namespace: string): string => `/_runner/objects/${namespace}`,
  /** Takes messages for a queue: `WireSent[]`. */
  queue: (name: string): string => `/_runner/queues/${encodeURIComponent(name)}`,
};

/** A message on its way to a queue; bytes are in base64. */
export interface WireSent {
  contentType: 'json' | 'text' | 'bytes';
  body: string;
}
/** … and on its way to a consumer. */
export interface WireMessage extends WireSent {
  id: string;
  at: number;
  attempts: number;
}

/** What a binding is made of inside the runner; scripts by `keyOf`. */
export type WireResource =
  | { kind: 'service'; script: string; entrypoint?: string }
  | { kind: 'dispatch'; namespace: string }
  | { kind: 'queue'; name: string }
  | { kind: 'objects'; namespace: string }
  | { kind: 'dataset' };

/** A module for the Worker Loader; bytes travel as base64. */
export type WireModule =
  | { js: string }
  | { cjs: string }
  | { text: string }
  | { json: unknown }
  | { base64: string; as: 'data' | 'wasm' };

/** A whole Worker, as the Worker Loader needs it. */
export interface WireCode {
  compatibilityDate: string;
  compatibilityFlags: string[];
  mainModule: string;
  /** Whether the main module exports a default. */
  hasDefault: boolean;
  modules: Record<string, WireModule>;
  env: Record<string, unknown>;
  resources: Record<string, WireResource>;
}
