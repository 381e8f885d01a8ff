import { randomUUID } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Platform } from '../platform.ts';
import { keyOf, type Script } from '../store/records.ts';
import type { DispatchNamespace } from '../store/resources.ts';
import { parseJson } from '../upload/metadata.ts';
import { change } from './context.ts';
import { ApiError, CODES, notFound, ok } from './envelope.ts';
import { download, putScript, removeScript } from './scripts.ts';
import { dispatchedView, settingsView, uploadView } from './views.ts';

const NewNamespace = z.strictObject({ name: z.string().regex(/^[\w-]{1,63}$/) });
const Tags = z.array(z.string().min(1));

/** The namespace that the path names, or 404 with 100119. */
function namespaceOf({ resources }: Platform, c: Context): DispatchNamespace {
  const found = resources.namespace(c.req.param('namespace') ?? '');
  if (found) return found;
  throw new ApiError(
    404,
    CODES.dispatchNamespaceNotFound,
    'The specified dispatch namespace does not exist on this account.',
  );
}

function placeOf(platform: Platform, c: Context): { name: string; namespace: string } {
  return { namespace: namespaceOf(platform, c).name, name: c.req.param('name') ?? '' };
}

function scriptOf(platform: Platform, c: Context): Script {
  const script = platform.store.get(keyOf(placeOf(platform, c)));
  if (!script) throw notFound();
  return script;
}

async function create({ resources, now }: Platform, name: string): Promise<DispatchNamespace> {
  const made = { id: randomUUID(), name, createdOn: new Date(now()).toISOString() };
  await resources.change(({ namespaces }) => {
    if (namespaces.some((known) => known.name === name)) {
      const taken = 'A dispatch namespace with this name already exists on this account.';
      throw new ApiError(409, CODES.dispatchNamespaceExists, taken);
    }
    return { namespaces: [...namespaces, made] };
  });
  return made;
}

/** With all scripts that are in it. */
async function remove(platform: Platform, { name }: DispatchNamespace): Promise<void> {
  await platform.resources.change(({ namespaces }) => ({
    namespaces: namespaces.filter((known) => known.name !== name),
  }));
  for (const script of platform.store.list(name))
    await platform.store.update(keyOf(script), async () => undefined);
}

function retagged(platform: Platform, c: Context, next: (tags: string[]) => string[]): Promise<Script> {
  return change(platform, keyOf(placeOf(platform, c)), async (present) => ({
    ...present,
    settings: { ...present.settings, tags: [...new Set(next(present.settings.tags ?? []))] },
  }));
}

const tagsOf = ({ settings }: Script): string[] => settings.tags ?? [];

/** The tags of a script in a namespace. */
function tagRoutes(platform: Platform): Hono {
  return new Hono()
    .get('/', (c) => ok(c, tagsOf(scriptOf(platform, c))))
    .put('/', async (c) => {
      const tags = parseJson(Tags, await c.req.text(), 'tags');
      return ok(c, tagsOf(await retagged(platform, c, () => tags)));
    })
    .put('/:tag', async (c) =>
      ok(c, tagsOf(await retagged(platform, c, (tags) => [...tags, c.req.param('tag')]))),
    )
    .delete('/:tag', async (c) => {
      await retagged(platform, c, (tags) => tags.filter((tag) => tag !== c.req.param('tag')));
      return ok(c, null);
    });
}

/** Dispatch namespaces (Workers for Platforms), and the scripts that are in them: they answer through a dispatcher only. */
export function namespaceRoutes(platform: Platform): Hono {
  const view = ({ id, name, createdOn }: DispatchNamespace) => ({
    ...{ namespace_id: id, namespace_name: name, created_on: createdOn, modified_on: createdOn },
    ...{ trusted_workers: false, script_count: platform.store.list(name).length },
  });
  return new Hono()
    .get('/', (c) => ok(c, platform.resources.namespaces.map(view)))
    .post('/', async (c) => {
      const { name } = parseJson(NewNamespace, await c.req.text(), 'namespace');
      return ok(c, view(await create(platform, name)));
    })
    .get('/:namespace', (c) => ok(c, view(namespaceOf(platform, c))))
    .delete('/:namespace', async (c) => {
      await remove(platform, namespaceOf(platform, c));
      return ok(c, null);
    })
    .get('/:namespace/scripts', (c) => {
      const { name } = namespaceOf(platform, c);
      return ok(
        c,
        platform.store.list(name).map((script) => dispatchedView(name, script)),
      );
    })
    .put('/:namespace/scripts/:name', async (c) =>
      ok(c, uploadView(await putScript(platform, placeOf(platform, c), c.req.raw))),
    )
    .get('/:namespace/scripts/:name', (c) => {
      const place = placeOf(platform, c);
      return ok(c, dispatchedView(place.namespace, platform.store.get(keyOf(place))));
    })
    .delete('/:namespace/scripts/:name', async (c) => {
      await removeScript(platform, keyOf(placeOf(platform, c)), notFound());
      return ok(c, null);
    })
    .get('/:namespace/scripts/:name/content', (c) => download(platform, scriptOf(platform, c)))
    .get('/:namespace/scripts/:name/settings', (c) => ok(c, settingsView(scriptOf(platform, c))))
    .route('/:namespace/scripts/:name/tags', tagRoutes(platform));
}
