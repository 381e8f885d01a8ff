import { z } from 'zod';
import { bindingName } from '../ids.ts';
import { headerName, type SiteConfig, siteConfig } from './config.ts';

/** With a line's end in it, no answer could be made of it, although the request had been stored. */
const headerValue = z.string().regex(/^\P{Cc}*$/u, 'expected no line ends or other control characters');

/** What becomes headers of our answers, or names in a Worker's `env`. */
const names = z.looseObject({
  routes: z.array(
    z.looseObject({
      accepted: z
        .looseObject({ location: headerValue.optional(), contentType: headerValue.optional() })
        .optional(),
      cors: z.looseObject({ headers: z.array(headerName).optional() }).optional(),
    }),
  ),
  worker: z.looseObject({ vars: z.record(bindingName, z.string()) }),
});

function* uselessIn({ routes }: SiteConfig) {
  for (const [n, entry] of routes.entries()) {
    if (entry.offline === 'queue') continue;
    for (const member of ['respond', 'accepted'] as const) {
      if (entry[member] === undefined) continue;
      const message = `has no effect with offline: "${entry.offline}", where no request is stored: leave it out, or set offline to "queue"`;
      yield { code: 'custom' as const, path: ['routes', n, member], message };
    }
  }
}

/**
 * What an edit may make of a config. Stricter than what was stored once and must still be read: what is without effect
 * is refused, since it looks as if it had one, and so is what would fail only when it is used.
 */
export const editedConfig = siteConfig.superRefine((config, context) => {
  const issues = names.safeParse(config).error?.issues ?? [];
  for (const issue of [...uselessIn(config), ...issues]) context.addIssue({ ...issue });
});
