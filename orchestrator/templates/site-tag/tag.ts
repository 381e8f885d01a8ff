import { visitorOf } from '../visitor.ts';
import { readLead } from './lead.ts';
import { mayAsk, preflight, withCors } from './origins.ts';
import { Refusal } from './refusal.ts';
import { relayLead } from './relay.ts';
import { type Background, type Settings, type Shelf, SiteSettings } from './settings.ts';
import type { TagVariables } from './variables.ts';

export interface TagParts extends TagVariables {
  /** The browser's part, as a script's text. */
  readonly snippet: string;
  readonly fetcher: typeof fetch;
  /** Throws where there is none. */
  readonly shelf: () => Shelf;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** @param background goes on after the answer is sent */
export type Tag = (request: Request, background: Background) => Promise<Response>;

/** Browsers ask for the script again after this: what the config says of it is followed that soon. */
const SCRIPT_AGE_S = 10;

/** The Worker, but for what the runtime gives it. */
export function createTag(parts: TagParts): Tag {
  const settings = new SiteSettings(parts);
  return async (request, background) => {
    const { pathname } = new URL(request.url);
    switch (pathname.slice(pathname.lastIndexOf('/'))) {
      case '/tag.js':
        return isRead(request)
          ? script(request, await settings.get(background), parts.snippet)
          : notAllowed('GET, HEAD');
      case '/health':
        return isRead(request) ? health(await settings.get(background), parts) : notAllowed('GET, HEAD');
      case '/lead':
        return withCors(request, parts.origins, await lead(request, parts));
      default:
        return new Response('tag.js, lead and health are here\n', { status: 404 });
    }
  };
}

const isRead = ({ method }: Request): boolean => method === 'GET' || method === 'HEAD';
const notAllowed = (allow: string): Response => new Response(null, { status: 405, headers: { allow } });

async function script(request: Request, settings: Settings, snippet: string): Promise<Response> {
  const text = `globalThis.__adsengineer=${JSON.stringify(settings)};\n${snippet}`;
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  const etag = `"${btoa(String.fromCharCode(...new Uint8Array(digest).slice(0, 18)))}"`;
  const headers = {
    'content-type': 'text/javascript; charset=utf-8',
    'cache-control': `public, max-age=${SCRIPT_AGE_S}`,
    // Pages of other hosts load it, those with COEP too.
    'cross-origin-resource-policy': 'cross-origin',
    'x-content-type-options': 'nosniff',
    etag,
  };
  if (request.headers.get('if-none-match') === etag) return new Response(null, { status: 304, headers });
  return new Response(text, { headers });
}

const health = (settings: Settings, { siteId, version }: TagParts): Response =>
  Response.json(
    { status: 'healthy', siteId, version, settings },
    { headers: { 'cache-control': 'no-store' } },
  );

async function lead(request: Request, parts: TagParts): Promise<Response> {
  try {
    if (!mayAsk(request, parts.origins)) throw new Refusal(403, 'pages of this origin may not send leads');
    if (request.method === 'OPTIONS') return preflight();
    // A crawler that follows links makes no leads.
    if (request.method !== 'POST') return notAllowed('POST, OPTIONS');
    const now = parts.now();
    const visitor = await visitorOf(request, parts.visitorKey, now);
    const { status, taken } = await relayLead(await readLead(request, parts.siteId, now), parts, visitor);
    return Response.json(taken, { status, headers: { 'cache-control': 'no-store' } });
  } catch (error) {
    if (error instanceof Refusal) return error.toResponse();
    throw error;
  }
}
