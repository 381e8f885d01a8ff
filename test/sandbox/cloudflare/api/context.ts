import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context } from 'hono';
import type { Platform } from '../platform.ts';
import type { Script } from '../store/records.ts';
import type { Binder } from '../upload/bindings.ts';
import type { Inventory } from '../upload/targets.ts';
import type { Workshop } from '../upload/version.ts';
import { notFound } from './envelope.ts';

const digest = (value: string): Buffer => createHash('sha256').update(value).digest();
/** In constant time: both are secrets. */
export const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

/** The script that the path names, or 404 with 10007. */
export function scriptOf(platform: Platform, c: Context): Script {
  const script = platform.store.get(c.req.param('name') ?? '');
  if (!script) throw notFound();
  return script;
}

/** What bindings may name. */
const inventoryOf = ({ store, resources }: Platform): Inventory => ({
  script: (name) => store.get(name),
  hasQueue: (name) => resources.queue({ name }) !== undefined,
  hasNamespace: (name) => resources.namespace(name) !== undefined,
});

export const workshopOf = (platform: Platform): Workshop => ({
  blobs: platform.store.blobs,
  runner: platform.runner,
  has: inventoryOf(platform),
  now: platform.now,
});

/** Who gets bindings in a change without code. */
export const binderOf = (present: Script, platform: Platform): Binder => ({
  present,
  owner: present,
  has: inventoryOf(platform),
});

/** Changes a script that must exist, by `keyOf`; 404 with 10007 if it does not. */
export async function change(
  platform: Platform,
  key: string,
  next: (present: Script) => Promise<Script>,
): Promise<Script> {
  const changed = await platform.store.update(key, async (present) => {
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
