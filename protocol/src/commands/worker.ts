import { z } from 'zod';

/** Cloudflare's rule for script names: https://developers.cloudflare.com/workers/platform/limits/ */
export const workerName = z
  .string()
  .regex(
    /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/,
    'expected a Worker name: 1 to 63 of a-z, 0-9, "_" and "-"',
  );

export const modulePath = z
  .string()
  .max(256)
  .regex(
    /^(?!\/)(?!.*(^|\/)\.\.?(\/|$))[\w@./-]+$/,
    'expected a relative module path without "." or ".." parts',
  );

export const compatibilityDate = z.iso.date('expected a date, YYYY-MM-DD');

/** `example.com/*`: https://developers.cloudflare.com/workers/configuration/routing/routes/ */
const routePattern = z
  .string()
  .max(500)
  .regex(
    /^(?:https?:\/\/)?[^/?#\s]+\.[^/?#\s]+(?:\/[^?#\s]*)?$/,
    'expected a route pattern, e.g. example.com/*',
  );
export const workerRoutes = z.array(routePattern).max(50);
export const customDomain = z
  .string()
  .max(253)
  .regex(
    /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/,
    'expected a host name in lower case, e.g. shop.example.com',
  );
export const compatibilityFlag = z.string().regex(/^[a-z0-9_]{1,100}$/, 'expected a compatibility flag');
