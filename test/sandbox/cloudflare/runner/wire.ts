/** What the stand-in and the Worker inside the runner's workerd agree on. Imports nothing: it runs in both. */

/** Every header below this prefix is ours: dropped when a customer sends it, never shown to a Worker. */
export const INTERNAL_PREFIX = 'x-standin-';
export const TOKEN_HEADER = `${INTERNAL_PREFIX}token`;
export const SCRIPT_HEADER = `${INTERNAL_PREFIX}script`;
export const VERSION_HEADER = `${INTERNAL_PREFIX}version`;
/** Present on a request that brings code to be tried out, not run. */
export const PROBE_HEADER = `${INTERNAL_PREFIX}probe`;

/** Where the runner fetches a version's code, below the API's origin. */
export const codePath = (script: string, version: string): string => `/_runner/${script}/${version}`;

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
  modules: Record<string, WireModule>;
  env: Record<string, unknown>;
}
