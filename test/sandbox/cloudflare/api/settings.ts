import { randomUUID } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Platform } from '../platform.ts';
import type { Script } from '../store/records.ts';
import { resolveBindings } from '../upload/bindings.ts';
import { parseJson, SettingsPatch } from '../upload/metadata.ts';
import { parseMultipart, readBody } from '../upload/multipart.ts';
import { type Alteration, allTrafficTo, alteredVersion, annotated, sourceOf } from '../upload/upload.ts';
import { binderOf, change, scriptOf, workshopOf } from './context.ts';
import { invalid, ok } from './envelope.ts';
import { settingsOf } from './scripts.ts';
import { scriptSettingsView, settingsView } from './views.ts';

const Subdomain = z.strictObject({ enabled: z.boolean(), previews_enabled: z.boolean().optional() });

/** `{ enabled, previews_enabled }` as Cloudflare has it, and our one extension: `url`, where it answers. */
function subdomainView(platform: Platform, script: Script): object {
  const url = platform.urlOf(script);
  const { enabled, previewsEnabled } = script.subdomain;
  return { enabled, previews_enabled: previewsEnabled, ...(url !== undefined && { url }) };
}

/** Opens or closes the Worker's port, then stores it; a port once given stays the script's own. */
function putSubdomain(platform: Platform, name: string, wish: z.infer<typeof Subdomain>): Promise<Script> {
  return change(platform, name, async (present) => {
    const { enabled } = wish;
    const subdomain = {
      enabled,
      previewsEnabled: wish.previews_enabled ?? present.subdomain.previewsEnabled,
    };
    if (enabled) return { ...present, subdomain, port: await platform.ports.serve(name, present.port) };
    await platform.ports.close(name);
    return { ...present, subdomain };
  });
}

/** `settings` comes as a part of a form (the API's documented way) or as the JSON body. */
async function readPatch(request: Request): Promise<SettingsPatch> {
  const body = await readBody(request.body);
  const contentType = request.headers.get('content-type') ?? '';
  if (!contentType.startsWith('multipart/')) return parseJson(SettingsPatch, body.toString(), 'settings');
  const part = (await parseMultipart(contentType, body)).find(({ name }) => name === 'settings');
  if (!part) throw invalid('The form has no part "settings".');
  return parseJson(SettingsPatch, part.bytes.toString(), 'settings');
}

/** What asks for a new version; null when only the script's own settings change. */
function alterationOf(
  patch: SettingsPatch,
  present: Script,
  request: Request,
  platform: Platform,
): Alteration | null {
  const { bindings, compatibility_date, compatibility_flags } = patch;
  if (!bindings && !compatibility_date && !compatibility_flags) return null;
  return {
    ...(bindings && { bindings: resolveBindings(patch, binderOf(present, platform), true) }),
    ...(compatibility_date && { compatibilityDate: compatibility_date }),
    ...(compatibility_flags && { compatibilityFlags: compatibility_flags }),
    annotations: annotated(patch.annotations, 'settings'),
    source: sourceOf(request),
  };
}

async function patched(
  platform: Platform,
  c: Context,
  patch: SettingsPatch,
  present: Script,
): Promise<Script> {
  const modifiedOn = new Date(platform.now()).toISOString();
  const settings = { ...present.settings, ...settingsOf(patch) };
  const alteration = alterationOf(patch, present, c.req.raw, platform);
  if (!alteration) return { ...present, settings, modifiedOn };
  const version = await alteredVersion(present, alteration, workshopOf(platform));
  return {
    ...present,
    settings,
    modifiedOn,
    versions: [...present.versions, version],
    deployments: [...present.deployments, allTrafficTo(version, randomUUID())],
  };
}

/** A script's settings and its subdomain. */
export function settingsRoutes(platform: Platform): Hono {
  const patchSettings = async (c: Context, name: string): Promise<Script> => {
    const patch = await readPatch(c.req.raw);
    return change(platform, name, (present) => patched(platform, c, patch, present));
  };
  return new Hono()
    .get('/:name/settings', (c) => ok(c, settingsView(scriptOf(platform, c))))
    .patch('/:name/settings', async (c) => ok(c, settingsView(await patchSettings(c, c.req.param('name')))))
    .get('/:name/script-settings', (c) => ok(c, scriptSettingsView(scriptOf(platform, c))))
    .patch('/:name/script-settings', async (c) =>
      ok(c, scriptSettingsView(await patchSettings(c, c.req.param('name')))),
    )
    .get('/:name/subdomain', (c) => ok(c, subdomainView(platform, scriptOf(platform, c))))
    .post('/:name/subdomain', async (c) => {
      const wish = parseJson(Subdomain, await c.req.text(), 'subdomain');
      return ok(c, subdomainView(platform, await putSubdomain(platform, c.req.param('name'), wish)));
    })
    .delete('/:name/subdomain', async (c) => {
      const wish = { enabled: false, previews_enabled: false };
      return ok(c, subdomainView(platform, await putSubdomain(platform, c.req.param('name'), wish)));
    });
}
