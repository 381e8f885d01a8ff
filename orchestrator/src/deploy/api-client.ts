import { BaseDeployments } from 'cloudflare/resources/workers/scripts/deployments';
import { BaseSubdomain } from 'cloudflare/resources/workers/scripts/subdomain';
import { BaseSubdomains } from 'cloudflare/resources/workers/subdomains';
import { createClient } from 'cloudflare/tree-shakable';
import type { CloudflareConfig } from '../config.ts';

const CALL_TIMEOUT_MS = 30_000;
/** Up to 10 MB over a VPS's uplink, and Cloudflare starts the Worker once before it answers. */
export const UPLOAD_TIMEOUT_MS = 120_000;

export type Fetch = typeof fetch;
export type Client = ReturnType<typeof connect>;

export function connect({ apiToken, baseUrl }: CloudflareConfig, fetcher: Fetch) {
  return createClient({
    apiToken,
    // The SDK would otherwise read these from the environment, and send another identity along.
    apiKey: null,
    apiEmail: null,
    userServiceKey: null,
    ...(baseUrl === undefined ? {} : { baseURL: baseUrl }),
    fetch: fetcher,
    // It repeats writes too, which can make two versions of one command: repeats are ours, in `patiently`.
    maxRetries: 0,
    timeout: CALL_TIMEOUT_MS,
    logLevel: 'off',
    resources: [BaseDeployments, BaseSubdomain, BaseSubdomains],
  });
}
