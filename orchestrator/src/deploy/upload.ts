import { type DeployWorker, VERSION_BINDING } from '@clawdbot/protocol';

/** A module with its bytes. */
export interface Module {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** All that a version is made of. Secrets by the names that the Worker has for them: never to be written anywhere. */
export interface Material {
  readonly modules: readonly Module[];
  readonly secrets: Readonly<Record<string, string>>;
}

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

export const endingOf = (path: string): string => /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? '';

/** Cloudflare has no JSON modules: one goes up as the ES module that exports its value. */
const jsonAsModule = ({ bytes }: Module): string =>
  `export default JSON.parse(${JSON.stringify(new TextDecoder().decode(bytes))});`;

function partOf(module: Module): File {
  const ending = endingOf(module.path);
  const type = CONTENT_TYPES[ending] ?? 'application/octet-stream';
  // A copy, because a view's buffer may be shared as far as the types know.
  const content = ending === 'json' ? jsonAsModule(module) : new Uint8Array(module.bytes);
  return new File([content], module.path, { type });
}

/** What a version or a deployment says of itself at Cloudflare: whose it is, and which command made it. */
export const messageOf = ({ siteId, commandId }: { siteId: string; commandId: string }): string =>
  `clawdbot ${siteId} ${commandId}`;

/** On a Worker in a dispatch namespace, which has no versions to say whose they are. */
export const ownerTag = (siteId: string): string => `clawdbot-${siteId}`;

interface UploadOptions {
  readonly tags?: readonly string[];
  /** No such Worker is there, and of one that is made meanwhile nothing is taken. */
  readonly isFirst?: boolean;
}

function metadataOf(
  body: DeployWorker,
  secrets: Material['secrets'],
  { tags = [], isFirst = false }: UploadOptions,
) {
  const { mainModule, compatibilityDate, compatibilityFlags, vars = {}, bindings = [] } = body;
  const texts = Object.entries(vars).map(([name, text]) => ({ type: 'plain_text', name, text }));
  const hidden = Object.entries(secrets).map(([name, text]) => ({ type: 'secret_text', name, text }));
  return {
    main_module: mainModule,
    compatibility_date: compatibilityDate,
    ...(compatibilityFlags === undefined ? {} : { compatibility_flags: compatibilityFlags }),
    bindings: [...texts, ...hidden, ...bindings, { type: 'version_metadata', name: VERSION_BINDING }],
    // As wrangler does: secrets that were set apart from deployments outlive them.
    keep_bindings: isFirst ? [] : ['secret_text', 'secret_key'],
    // A tag has at most 100 bytes, which is what the longest command id has.
    ...(tags.length === 0 ? {} : { tags }),
    annotations: { 'workers/tag': body.commandId, 'workers/message': messageOf(body) },
  };
}

/**
 * The multipart form of an upload: `metadata` as JSON and one part per module, whose name and filename are its
 * path. The SDK's own upload methods flatten the metadata and drop directories (cloudflare-typescript#2799).
 */
export function uploadForm(
  body: DeployWorker,
  { modules, secrets }: Material,
  options: UploadOptions = {},
): FormData {
  const form = new FormData();
  const metadata = JSON.stringify(metadataOf(body, secrets, options));
  form.set('metadata', new Blob([metadata], { type: 'application/json' }));
  for (const module of modules) form.set(module.path, partOf(module));
  return form;
}
