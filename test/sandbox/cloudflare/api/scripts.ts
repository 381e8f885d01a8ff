import { randomUUID } from 'node:crypto';
import { Hono } from 'hono';
import type { Platform } from '../platform.ts';
import {
  currentDeployment,
  findVersion,
  keyOf,
  latestVersion,
  type Script,
  type ScriptSettings,
  type Version,
} from '../store/records.ts';
import type { Metadata } from '../upload/metadata.ts';
import { migrated } from '../upload/migrations.ts';
import { allTrafficTo, readUpload, type Target, type Upload, versionOfUpload } from '../upload/upload.ts';
import { loadModules } from '../upload/version.ts';
import { change, scriptOf, workshopOf } from './context.ts';
import { ApiError, CODES, invalid, notFound, ok } from './envelope.ts';
import { scriptView, serviceView, uploadView, workerView } from './views.ts';

/**
 * Lower-case letters, digits, `-` and `_`, at most 63 characters. Cloudflare answers 10016 to anything
 * else ("workers.api.error.invalid_script_name"); names are a DNS label at workers.dev.
 */
const NAME = /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/;

function checkName(name: string): void {
  if (!NAME.test(name)) {
    throw new ApiError(
      400,
      CODES.invalidWorkerName,
      'Invalid Worker name: use lower-case letters, digits, dashes and underscores, 63 characters at most.',
    );
  }
}

/** The given fields only: an upload does not reset what it leaves out. */
export const settingsOf = ({ logpush, observability, tags }: Partial<Metadata>): ScriptSettings => ({
  ...(logpush !== undefined && { logpush }),
  ...(observability !== undefined && { observability }),
  ...(tags !== undefined && { tags }),
});

/** Where a script is put. */
type Place = Pick<Script, 'name' | 'namespace'>;

function uploaded(place: Place, { present, ...classes }: Target, upload: Upload, version: Version): Script {
  // Of a script in a dispatch namespace there is one version, and no other to go back to.
  const before = place.namespace === undefined ? present : undefined;
  const { classes: has, migrationTag } = classes;
  return {
    ...place,
    tag: present?.tag ?? randomUUID().replaceAll('-', ''),
    createdOn: present?.createdOn ?? version.createdOn,
    modifiedOn: version.createdOn,
    // A new Worker is on no subdomain until it is put there.
    subdomain: present?.subdomain ?? { enabled: false, previewsEnabled: false },
    ...(present?.port !== undefined && { port: present.port }),
    settings: { ...present?.settings, ...settingsOf(upload.metadata) },
    routes: present?.routes ?? [],
    domains: present?.domains ?? [],
    classes: has,
    ...(migrationTag !== undefined && { migrationTag }),
    versions: [...(before?.versions ?? []), version],
    deployments: [...(before?.deployments ?? []), allTrafficTo(version, randomUUID())],
  };
}

export async function putScript(platform: Platform, place: Place, request: Request): Promise<Script> {
  checkName(place.name);
  const upload = await readUpload(request);
  const stored = await platform.store.update(keyOf(place), async (present) => {
    const target = { name: place.name, present, ...migrated(present, upload.metadata.migrations) };
    const version = await versionOfUpload(upload, target, 'upload', workshopOf(platform));
    return uploaded(place, target, upload, version);
  });
  if (!stored) throw new Error('an upload cannot remove a script');
  return stored;
}

export async function removeScript(platform: Platform, key: string, missing: ApiError): Promise<void> {
  await platform.store.update(key, async (present) => {
    if (!present) throw missing;
    await platform.ports.close(key);
    return undefined;
  });
}

/** One that has traffic, or could be asked for by name, stays. */
async function removeVersion(platform: Platform, name: string, id: string): Promise<void> {
  await change(platform, name, async (present) => {
    if (!findVersion(present, id)) throw notFound('workers.api.error.version_not_found');
    if (currentDeployment(present).versions.some(({ versionId }) => versionId === id))
      throw invalid(`Version ${id} is deployed and cannot be deleted.`);
    return { ...present, versions: present.versions.filter((version) => version.id !== id) };
  });
}

/** The modules as a multipart form, as Cloudflare answers `GET …/scripts/:name` for a module Worker. */
export async function download(platform: Platform, script: Script): Promise<Response> {
  const form = new FormData();
  for (const { name, contentType, bytes } of await loadModules(latestVersion(script), platform.store.blobs)) {
    form.set(name, new File([new Uint8Array(bytes)], name, { type: contentType }));
  }
  return new Response(form, { headers: { 'cf-entrypoint': latestVersion(script).mainModule } });
}

const serviceMissing = (): ApiError =>
  new ApiError(404, CODES.serviceNotFound, 'workers.api.error.service_not_found');

/** Scripts as a whole, in the three shapes in which the API has them: scripts, services and workers. */
export function scriptRoutes(platform: Platform): Hono {
  return new Hono()
    .get('/scripts', (c) => ok(c, platform.store.list().map(scriptView)))
    .put('/scripts/:name', async (c) =>
      ok(c, uploadView(await putScript(platform, { name: c.req.param('name') }, c.req.raw))),
    )
    .get('/scripts/:name', (c) => download(platform, scriptOf(platform, c)))
    .delete('/scripts/:name', async (c) => {
      await removeScript(platform, c.req.param('name'), notFound());
      return ok(c, { id: c.req.param('name') });
    })
    .get('/services/:name', (c) => {
      const script = platform.store.get(c.req.param('name'));
      if (!script) throw serviceMissing();
      return ok(c, serviceView(script));
    })
    .delete('/services/:name', async (c) => {
      await removeScript(platform, c.req.param('name'), serviceMissing());
      return ok(c, null);
    })
    .delete('/workers/:name/versions/:version', async (c) => {
      await removeVersion(platform, c.req.param('name'), c.req.param('version'));
      return ok(c, { id: c.req.param('version') });
    })
    .get('/workers/:name', (c) => ok(c, workerView(scriptOf(platform, c))));
}
