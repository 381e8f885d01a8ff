import type { Context } from 'hono';
import type { Platform } from '../platform.ts';
import type { Script } from '../store/records.ts';
import type { Workshop } from '../upload/version.ts';
import { notFound } from './envelope.ts';

/** The script that the path names, or 404 with 10007. */
export function scriptOf(platform: Platform, c: Context): Script {
  const script = platform.store.get(c.req.param('name') ?? '');
  if (!script) throw notFound();
  return script;
}

export const workshopOf = ({ store, runner, now }: Platform): Workshop => ({
  blobs: store.blobs,
  runner,
  now,
});

/** Changes a script that must exist; 404 with 10007 if it does not. */
export async function change(
  platform: Platform,
  name: string,
  next: (present: Script) => Promise<Script>,
): Promise<Script> {
  const changed = await platform.store.update(name, (present) => {
    if (!present) throw notFound();
    return next(present);
  });
  if (!changed) throw new Error('a change cannot remove a script');
  return changed;
}

/** `page` and `per_page`, as Cloudflare's lists take them; what is not a number counts as absent. */
export function pageOf<T>(c: Context, items: readonly T[]): { items: T[]; info: object } {
  const page = Math.max(1, Number(c.req.query('page')) || 1);
  const perPage = Math.min(100, Math.max(1, Number(c.req.query('per_page')) || 100));
  const shown = items.slice((page - 1) * perPage, page * perPage);
  return {
    items: shown,
    info: {
      page,
      per_page: perPage,
      count: shown.length,
      total_count: items.length,
      total_pages: Math.ceil(items.length / perPage),
    },
  };
}
