import { randomUUID } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Platform } from '../platform.ts';
import { type Binding, currentDeployment, latestVersion, type Script } from '../store/records.ts';
import { nameTaken, resolveBindings } from '../upload/bindings.ts';
import { parseJson } from '../upload/metadata.ts';
import { allTrafficTo, alteredVersion, annotated, sourceOf } from '../upload/upload.ts';
import { binderOf, change, scriptOf, workshopOf } from './context.ts';
import { ApiError, CODES, ok } from './envelope.ts';
import { bindingView } from './views.ts';

const Secret = z.strictObject({ name: z.string().min(1), text: z.string(), type: z.literal('secret_text') });

/** A merge patch: a secret to put, or null to delete. */
const SecretsPatch = z.strictObject({ secrets: z.record(z.string(), Secret.nullable()) });
type SecretsPatch = z.infer<typeof SecretsPatch>['secrets'];

const secretsOf = (script: Script): Binding[] =>
  latestVersion(script).bindings.filter(({ type }) => type === 'secret_text');

const secretMissing = (): ApiError =>
  new ApiError(404, CODES.bindingNotFound, 'workers.api.error.binding_not_found');

/** A new secret is deployed at once, so the version it goes into must be the one that serves everybody. */
function checkDeployed(script: Script): void {
  const latest = latestVersion(script).id;
  const serving = currentDeployment(script).versions;
  if (!serving.some(({ versionId, percentage }) => versionId === latest && percentage === 100)) {
    throw new ApiError(
      400,
      CODES.latestVersionNotDeployed,
      "Secret edit failed: the latest version of this Worker isn't currently deployed.",
    );
  }
}

function nextBindings(script: Script, patch: SecretsPatch, platform: Platform): Binding[] {
  const present = latestVersion(script).bindings;
  for (const [name, secret] of Object.entries(patch)) {
    const bound = present.find((binding) => binding.name === name);
    if (secret && bound && bound.type !== 'secret_text') throw nameTaken(name);
    if (!secret && bound?.type !== 'secret_text') throw secretMissing();
  }
  const untouched = present.filter(({ name }) => !(name in patch));
  const put = Object.values(patch).filter((secret) => secret !== null);
  return resolveBindings({ bindings: [...untouched, ...put] }, binderOf(script, platform), true);
}

/** One new version with all the changes, deployed to all traffic. */
function applySecrets(platform: Platform, c: Context, name: string, patch: SecretsPatch): Promise<Script> {
  return change(platform, name, async (present) => {
    checkDeployed(present);
    const alteration = {
      bindings: nextBindings(present, patch, platform),
      annotations: annotated(undefined, 'secret'),
      source: sourceOf(c.req.raw),
    };
    const version = await alteredVersion(present, alteration, workshopOf(platform));
    return {
      ...present,
      modifiedOn: version.createdOn,
      versions: [...present.versions, version],
      deployments: [...present.deployments, allTrafficTo(version, randomUUID())],
    };
  });
}

/** Secrets: written, listed by name, deleted; never shown. */
export function secretRoutes(platform: Platform): Hono {
  return new Hono()
    .get('/:name/secrets', (c) => ok(c, secretsOf(scriptOf(platform, c)).map(bindingView)))
    .put('/:name/secrets', async (c) => {
      const secret = parseJson(Secret, await c.req.text(), 'secret');
      await applySecrets(platform, c, c.req.param('name'), { [secret.name]: secret });
      return ok(c, bindingView(secret));
    })
    .patch('/:name/secrets-bulk', async (c) => {
      const { secrets } = parseJson(SecretsPatch, await c.req.text(), 'secrets');
      return ok(c, secretsOf(await applySecrets(platform, c, c.req.param('name'), secrets)).map(bindingView));
    })
    .get('/:name/secrets/:secret', (c) => {
      const found = secretsOf(scriptOf(platform, c)).find(({ name }) => name === c.req.param('secret'));
      if (!found) throw secretMissing();
      return ok(c, bindingView(found));
    })
    .delete('/:name/secrets/:secret', async (c) => {
      await applySecrets(platform, c, c.req.param('name'), { [c.req.param('secret')]: null });
      return ok(c, null);
    });
}
