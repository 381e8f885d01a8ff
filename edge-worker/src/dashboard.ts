import { Failure, pathOfPlace, placeOf } from '@clawdbot/protocol';
import type { HonoRequest, MiddlewareHandler } from 'hono';
import type { ConsoleEnv } from './api/env.ts';
import { within } from './deadline.ts';

/** Files lie beside the Worker: one that takes longer is in trouble. */
const FILE_DEADLINE_MS = 10_000;

/**
 * What a browser lets the page do: run the console's own scripts, speak to the console, and nothing else. `'self'`
 * covers `wss:` of the same host too (CSP 3, §6.7.2.8).
 */
const POLICY = [
  "default-src 'self'",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const SECURITY = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** Vite names these by their content, so that the name never means something else. */
const isHashed = (path: string): boolean => path.startsWith('/assets/');

/** Every place of the dashboard is the same page. */
const fileOf = ({ raw, path }: HonoRequest): Request =>
  placeOf(path) === undefined ? raw : new Request(new URL(pathOfPlace({ at: 'overview' }), raw.url), raw);

/** The dashboard's files, on the console's host alone; what is none of them is for `next`. */
export const dashboard: MiddlewareHandler<ConsoleEnv> = async (c, next) => {
  const { assets } = c.env.services;
  const file = await within(FILE_DEADLINE_MS, assets.fetch(fileOf(c.req)), late);
  if (file.status === 404) return next();
  const headers = new Headers(file.headers);
  for (const [name, value] of Object.entries(SECURITY)) headers.set(name, value);
  // The page names its scripts: an old page would ask for scripts that a deploy has removed.
  headers.set('cache-control', isHashed(c.req.path) ? 'public, max-age=31536000, immutable' : 'no-cache');
  return new Response(file.body, { status: file.status, headers });
};

const late = () =>
  new Failure('deadline_exceeded', 'the dashboard’s files did not come in time; reload the page');
