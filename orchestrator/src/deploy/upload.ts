import { type DeployWorker, Failure } from '@clawdbot/protocol';

/** A module with its bytes. */
export interface Module {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Tells a Worker its own version: our templates answer it in the header `Worker-Version`. */
const VERSION_BINDING = 'CF_VERSION_METADATA';

const ESM = 'application/javascript+module';
/**
 * By a path's ending, as wrangler sends them.
 * https://developers.cloudflare.com/workers/configuration/multipart-upload-metadata/
 */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  js: ESM,
  mjs: ESM,
  json: ESM,
  cjs: 'application/javascript',
  wasm: 'application/wasm',
  map: 'application/source-map',
  txt: 'text/plain',
  html: 'text/plain',
  css: 'text/plain',
  svg: 'text/plain',
  sql: 'text/plain',
  md: 'text/plain',
};

const endingOf = (path: string): string => /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? '';

/** Cloudflare has no JSON modules: one goes up as the ES module that exports its value. */
function jsonAsModule({ path, bytes }: Module): string {
  const text = new TextDecoder().decode(bytes);
  try {
    JSON.parse(text);
  } catch {
    throw new Failure('deploy_failed', `the module ${path} is not JSON: correct it and deploy again`);
  }
  return `export default JSON.parse(${JSON.stringify(text)});`;
}

function partOf(module: Module): File {
  const ending = endingOf(module.path);
  const type = CONTENT_TYPES[ending] ?? 'application/octet-stream';
  // A copy, because a view's buffer may be shared as far as the types know.
  const content = ending === 'json' ? jsonAsModule(module) : new Uint8Array(module.bytes);
  return new File([content], module.path, { type });
}

function metadataOf({ commandId, mainModule, compatibilityDate, vars = {} }: DeployWorker) {
  const texts = Object.entries(vars).map(([name, text]) => ({ type: 'plain_text', name, text }));
  return {
    main_module: mainModule,
    compatibility_date: compatibilityDate,
    bindings: [...texts, { type: 'version_metadata', name: VERSION_BINDING }],
    // As wrangler does: secrets that were set apart from deployments outlive them.
    keep_bindings: ['secret_text', 'secret_key'],
    // At most 100 bytes, which is what the longest command id has.
    annotations: { 'workers/tag': commandId, 'workers/message': `clawdbot ${commandId}` },
  };
}

/**
 * The multipart form of an upload: `metadata` as JSON and one part per module, whose name and filename are its
 * path. The SDK's own upload methods flatten the metadata and drop directories (cloudflare-typescript#2799).
 */
export function uploadForm(body: DeployWorker, modules: readonly Module[]): FormData {
  const form = new FormData();
  form.set('metadata', new Blob([JSON.stringify(metadataOf(body))], { type: 'application/json' }));
  for (const module of modules) form.set(module.path, partOf(module));
  return form;
}

/** Why this deployment cannot be done as it was asked for; better refused than half done. */
export function unsupported({
  vars = {},
  secrets = {},
  routes = [],
  strategy,
  modules,
}: DeployWorker): Failure | undefined {
  const secret = Object.values(secrets)[0];
  if (secret !== undefined) {
    return new Failure(
      'not_configured',
      `there is no secret called "${secret}": leave secrets out, and set them with wrangler`,
    );
  }
  if (routes.length > 0) {
    return new Failure(
      'bad_request',
      `routes are not deployed by this version: leave out ${routes[0]} and set it at Cloudflare`,
    );
  }
  if (strategy?.type === 'gradual') {
    return new Failure(
      'bad_request',
      'this version deploys all at once: leave out the strategy, or say { "type": "immediate" }',
    );
  }
  if (Object.hasOwn(vars, VERSION_BINDING)) {
    return new Failure(
      'bad_request',
      `the variable ${VERSION_BINDING} is set by every deployment: choose another name`,
    );
  }
  if (modules.some(({ path }) => path === 'metadata')) {
    return new Failure(
      'bad_request',
      'a module cannot be called "metadata": Cloudflare takes that part for itself',
    );
  }
  return undefined;
}
