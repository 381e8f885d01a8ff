/** How the API shows what is stored. Secrets never show their text. */
import { createHash } from 'node:crypto';
import {
  type Binding,
  currentDeployment,
  type Deployment,
  latestVersion,
  type Script,
  type Version,
} from '../store/records.ts';

/** The one person here. */
const AUTHOR = { author_id: '00000000000000000000000000000001', author_email: 'sandbox@localhost' };
export const AUTHOR_EMAIL = AUTHOR.author_email;

const etagOf = (version: Version): string =>
  createHash('sha256')
    .update(version.modules.map(({ name, sha256 }) => `${name} ${sha256}\n`).join(''))
    .digest('hex');

export const bindingView = (binding: Binding): object =>
  binding.type === 'secret_text' ? { name: binding.name, type: binding.type } : binding;

const codeView = (version: Version): object => ({
  etag: etagOf(version),
  handlers: version.handlers,
  named_handlers: version.namedHandlers,
  last_deployed_from: version.source,
});

const runtimeView = (version: Version): object => ({
  compatibility_date: version.compatibilityDate,
  compatibility_flags: version.compatibilityFlags,
  usage_model: 'standard',
  ...(version.migrationTag !== undefined && { migration_tag: version.migrationTag }),
});

/** A version in a list: without `resources`. */
export const versionItem = (version: Version): object => ({
  id: version.id,
  number: version.number,
  metadata: {
    created_on: version.createdOn,
    modified_on: version.createdOn,
    source: version.source,
    ...AUTHOR,
    hasPreview: false,
    has_preview: false,
  },
  annotations: version.annotations,
});

export const versionView = (version: Version): object => ({
  ...versionItem(version),
  resources: {
    script: codeView(version),
    script_runtime: runtimeView(version),
    bindings: version.bindings.map(bindingView),
  },
  startup_time_ms: version.startupTimeMs,
});

export const deploymentView = (deployment: Deployment): object => ({
  id: deployment.id,
  created_on: deployment.createdOn,
  source: deployment.source,
  strategy: 'percentage',
  author_email: AUTHOR.author_email,
  annotations: deployment.annotations,
  versions: deployment.versions.map(({ versionId, percentage }) => ({ version_id: versionId, percentage })),
});

export const scriptSettingsView = ({ settings }: Script): object => ({
  logpush: settings.logpush ?? false,
  observability: settings.observability ?? { enabled: false },
  tags: settings.tags ?? [],
  tail_consumers: [],
});

/** `…/settings`: the script's and the latest version's. */
export const settingsView = (script: Script): object => {
  const version = latestVersion(script);
  return {
    ...scriptSettingsView(script),
    ...runtimeView(version),
    annotations: version.annotations,
    bindings: version.bindings.map(bindingView),
    placement: {},
  };
};

export const scriptView = (script: Script): object => {
  const version = latestVersion(script);
  return {
    id: script.name,
    tag: script.tag,
    created_on: script.createdOn,
    modified_on: script.modifiedOn,
    ...codeView(version),
    ...runtimeView(version),
    ...scriptSettingsView(script),
    has_modules: true,
    has_assets: false,
  };
};

/** A script in a dispatch namespace; without one of this name, `script` is null. */
export const dispatchedView = (namespace: string, script: Script | undefined): object => ({
  dispatch_namespace: namespace,
  script: script ? scriptView(script) : null,
  ...(script && { created_on: script.createdOn, modified_on: script.modifiedOn }),
});

/** The answer to `PUT …/scripts/:name`. Its `deployment_id` is the version's id without hyphens, as wrangler reads it. */
export const uploadView = (script: Script): object => {
  const version = latestVersion(script);
  return {
    ...scriptView(script),
    entry_point: version.mainModule,
    startup_time_ms: version.startupTimeMs,
    deployment_id: version.id.replaceAll('-', ''),
  };
};

/** The older shape, in which a script has environments. */
export const serviceView = (script: Script): object => {
  const environment = {
    environment: 'production',
    created_on: script.createdOn,
    modified_on: script.modifiedOn,
    script: scriptView(script),
  };
  return {
    id: script.name,
    created_on: script.createdOn,
    modified_on: script.modifiedOn,
    default_environment: environment,
    environments: [environment],
  };
};

/**
 * The newer shape: `/workers/workers/:name`. Cloudflare's has a `subdomain.url`; wrangler would print only
 * its host, which here is `localhost`, so it is left out.
 */
export const workerView = (script: Script): object => ({
  id: script.tag,
  name: script.name,
  created_on: script.createdOn,
  updated_on: script.modifiedOn,
  deployed_on: currentDeployment(script).createdOn,
  references: {},
  ...scriptSettingsView(script),
  subdomain: {
    enabled: script.subdomain.enabled,
    previews_enabled: script.subdomain.previewsEnabled,
  },
});
