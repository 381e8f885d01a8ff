import { randomUUID } from 'node:crypto';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Platform } from '../platform.ts';
import {
  type Binding,
  currentDeployment,
  type Deployment,
  findVersion,
  latestVersion,
  type Script,
  type Source,
  type Version,
} from '../store/records.ts';
import { Annotations, parseJson } from '../upload/metadata.ts';
import { annotated, readUpload, sourceOf, versionOfUpload } from '../upload/upload.ts';
import { change, pageOf, scriptOf, workshopOf } from './context.ts';
import { ApiError, CODES, invalid, notFound, ok } from './envelope.ts';
import { deploymentView, versionItem, versionView } from './views.ts';

/** One or two versions: developers.cloudflare.com/workers/configuration/versions-and-deployments. */
const MAX_VERSIONS_IN_DEPLOYMENT = 2;
/** "last 100 versions" may be deployed: …/versions-and-deployments/rollbacks. */
const DEPLOYABLE_VERSIONS = 100;

const NewDeployment = z.strictObject({
  strategy: z.literal('percentage'),
  versions: z
    .array(z.strictObject({ version_id: z.uuid(), percentage: z.number().min(0).max(100) }))
    .min(1)
    .max(MAX_VERSIONS_IN_DEPLOYMENT),
  annotations: Annotations.optional(),
  code_update_strategy: z.json().optional(),
});
type NewDeployment = z.infer<typeof NewDeployment>;

function deployable(script: Script, id: string): Version {
  const version = findVersion(script, id);
  if (!version) throw new ApiError(404, CODES.notFound, 'workers.api.error.version_not_found');
  if (latestVersion(script).number - version.number >= DEPLOYABLE_VERSIONS) {
    throw invalid(`Version ${id} is older than the last ${DEPLOYABLE_VERSIONS} and cannot be deployed.`);
  }
  return version;
}

const secretsOf = ({ bindings }: Version): Map<string, string> =>
  new Map(
    bindings.flatMap((binding: Binding) =>
      binding.type === 'secret_text' ? [[binding.name, binding.text]] : [],
    ),
  );

/** Names of secrets that an older version has otherwise than the latest. */
function changedSecrets(older: Version, latest: Version): string[] {
  const [then, now] = [secretsOf(older), secretsOf(latest)];
  return [...new Set([...then.keys(), ...now.keys()])].filter((name) => then.get(name) !== now.get(name));
}

/** Going back behind a changed secret needs `?force=true`; wrangler asks its user at 10220. */
function checkSecrets(script: Script, versions: readonly Version[]): void {
  const serving = currentDeployment(script).versions.map(({ versionId }) => versionId);
  const returning = versions.filter(({ id }) => !serving.includes(id));
  const changed = new Set(returning.flatMap((version) => changedSecrets(version, latestVersion(script))));
  if (changed.size > 0) {
    throw new ApiError(
      400,
      CODES.secretsChangedSinceVersion,
      `The following secrets have changed: ${[...changed].join(', ')}`,
    );
  }
}

function checkShares(versions: NewDeployment['versions']): void {
  const sum = versions.reduce((total, { percentage }) => total + percentage, 0);
  // Percentages are decimals: 33.3 + 66.7 is not exactly 100 in binary.
  if (Math.abs(sum - 100) > 1e-6)
    throw invalid(`The percentages of all versions must total 100, not ${sum}.`);
  if (new Set(versions.map(({ version_id }) => version_id)).size !== versions.length) {
    throw invalid('A version is named twice in the deployment.');
  }
}

function deployed(
  script: Script,
  wish: NewDeployment,
  how: { force: boolean; source: Source; now: number },
): Script {
  checkShares(wish.versions);
  const versions = wish.versions.map(({ version_id }) => deployable(script, version_id));
  if (!how.force) checkSecrets(script, versions);
  const deployment: Deployment = {
    id: randomUUID(),
    createdOn: new Date(how.now).toISOString(),
    source: how.source,
    annotations: annotated(wish.annotations, 'deployment'),
    versions: wish.versions.map(({ version_id, percentage }) => ({ versionId: version_id, percentage })),
  };
  return { ...script, modifiedOn: deployment.createdOn, deployments: [...script.deployments, deployment] };
}

const migrationInVersion = (): ApiError =>
  new ApiError(
    400,
    CODES.migrationInVersion,
    'Version upload failed. You attempted to upload a version of a Worker that includes a Durable Object migration, but migrations must be fully applied via a non-versioned deployment.',
  );

/** Versions and what is deployed of them. */
export function versionRoutes(platform: Platform): Hono {
  return new Hono()
    .get('/:name/versions', (c) => {
      const all = scriptOf(platform, c).versions.toReversed();
      const shown = c.req.query('deployable') === 'true' ? all.slice(0, DEPLOYABLE_VERSIONS) : all;
      const { items, info } = pageOf(c, shown.map(versionItem));
      return ok(c, { items }, info);
    })
    .post('/:name/versions', async (c) => {
      scriptOf(platform, c);
      const upload = await readUpload(c.req.raw);
      if (upload.metadata.migrations) throw migrationInVersion();
      const script = await change(platform, c.req.param('name'), async (present) => {
        const version = await versionOfUpload(
          upload,
          { ...present, present },
          'version_upload',
          workshopOf(platform),
        );
        return { ...present, modifiedOn: version.createdOn, versions: [...present.versions, version] };
      });
      return ok(c, versionView(latestVersion(script)));
    })
    .get('/:name/versions/:version', (c) => {
      const version = findVersion(scriptOf(platform, c), c.req.param('version'));
      if (!version) throw notFound('workers.api.error.version_not_found');
      return ok(c, versionView(version));
    })
    .get('/:name/deployments', (c) =>
      ok(c, { deployments: scriptOf(platform, c).deployments.toReversed().map(deploymentView) }),
    )
    .post('/:name/deployments', async (c) => {
      const wish = parseJson(NewDeployment, await c.req.text(), 'deployment');
      const how = {
        force: c.req.query('force') === 'true',
        source: sourceOf(c.req.raw),
        now: platform.now(),
      };
      const script = await change(platform, c.req.param('name'), async (present) =>
        deployed(present, wish, how),
      );
      return ok(c, deploymentView(currentDeployment(script)));
    })
    .get('/:name/deployments/:deployment', (c) => {
      const found = scriptOf(platform, c).deployments.find(({ id }) => id === c.req.param('deployment'));
      if (!found) throw notFound('workers.api.error.deployment_not_found');
      return ok(c, deploymentView(found));
    });
}
