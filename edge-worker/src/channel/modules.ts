import type { DeployPayload, ModuleSource } from '@clawdbot/protocol';
import { hexOf } from '../bytes.ts';

export interface PreparedModule {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();

const bytesOf = (source: ModuleSource): Uint8Array =>
  typeof source === 'string'
    ? encoder.encode(source)
    : Uint8Array.from(atob(source.base64), (char) => char.charCodeAt(0));

/** A deployment's modules as bytes with their digests. WebCrypto, since 10 MB in JavaScript take 100 ms. */
export const prepareModules = (payload: DeployPayload): Promise<PreparedModule[]> =>
  Promise.all(
    Object.entries(payload.modules).map(async ([path, source]) => {
      const bytes = bytesOf(source);
      return { path, bytes, sha256: hexOf(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))) };
    }),
  );
