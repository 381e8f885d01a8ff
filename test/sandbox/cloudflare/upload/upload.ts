import { invalid } from '../api/envelope.ts';
import { type Deployment, latestVersion, type Script, type Source, type Version } from '../store/records.ts';
import { resolveBindings } from './bindings.ts';
import { Metadata, parseJson } from './metadata.ts';
import { type Classes, checkExported } from './migrations.ts';
import { type Module, modulesOf } from './modules.ts';
import { parseMultipart, readBody } from './multipart.ts';
import { buildVersion, loadModules, OLDEST_COMPATIBILITY_DATE, type Workshop } from './version.ts';

/** A version upload as it came in: checked by itself, not yet against the script's present state. */
export interface Upload {
  metadata: Metadata;
  modules: Module[];
  /** `bindings_inherit=strict` in the query. */
  strictInherit: boolean;
  source: Source;
}

/** wrangler names itself in its user agent; everyone else is the API. */
export const sourceOf = (request: Request): Source =>
  /^wrangler\b/i.test(request.headers.get('user-agent') ?? '') ? 'wrangler' : 'api';

/** Reads and checks a multipart upload: a JSON part `metadata`, and one part per module. */
export async function readUpload(request: Request): Promise<Upload> {
  const parts = await parseMultipart(request.headers.get('content-type') ?? '', await readBody(request.body));
  const metadataPart = parts.find(({ name }) => name === 'metadata');
  if (!metadataPart) throw invalid('The form has no part "metadata".');
  const metadata = parseJson(Metadata, metadataPart.bytes.toString(), 'metadata');
  const modules = modulesOf(
    parts.filter((part) => part !== metadataPart),
    metadata.main_module,
  );
  const strictInherit = new URL(request.url).searchParams.get('bindings_inherit') === 'strict';
  return { metadata, modules, strictInherit, source: sourceOf(request) };
}

/** Drops what is undefined: annotations are stored as plain strings. */
export function annotated(
  given: Record<string, string | undefined> | undefined,
  triggeredBy: string,
): Record<string, string> {
  const all = Object.entries({ ...given, 'workers/triggered_by': triggeredBy });
  return Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** A script as the upload finds it, and with the classes that it has afterwards. */
export interface Target extends Classes {
  readonly name: string;
  readonly present: Script | undefined;
}

/** The version that an upload makes of the script's present state. */
export async function versionOfUpload(
  upload: Upload,
  target: Target,
  triggeredBy: string,
  shop: Workshop,
): Promise<Version> {
  const { metadata, modules, source } = upload;
  const { present, classes, migrationTag } = target;
  const draft = {
    mainModule: metadata.main_module,
    modules,
    bindings: resolveBindings(metadata, { present, owner: target, has: shop.has }, upload.strictInherit),
    compatibilityDate: metadata.compatibility_date ?? OLDEST_COMPATIBILITY_DATE,
    compatibilityFlags: metadata.compatibility_flags ?? [],
    annotations: annotated(metadata.annotations, triggeredBy),
    source,
    ...(migrationTag !== undefined && { migrationTag }),
  };
  const version = await buildVersion(draft, present ? latestVersion(present).number + 1 : 1, shop);
  checkExported(classes, version);
  return version;
}

/** What a change without code may alter. */
export type Alteration = Partial<Pick<Version, 'bindings' | 'compatibilityDate' | 'compatibilityFlags'>> &
  Pick<Version, 'annotations' | 'source'>;

/** The latest version's code under other settings, as the next version. */
export async function alteredVersion(
  present: Script,
  alteration: Alteration,
  shop: Workshop,
): Promise<Version> {
  const latest = latestVersion(present);
  const modules = await loadModules(latest, shop.blobs);
  const { mainModule, bindings, compatibilityDate, compatibilityFlags, migrationTag } = latest;
  const kept = { mainModule, bindings, compatibilityDate, compatibilityFlags };
  const draft = { ...kept, ...(migrationTag !== undefined && { migrationTag }), ...alteration, modules };
  return buildVersion(draft, latest.number + 1, shop);
}

/** A deployment that gives all traffic to one version. */
export const allTrafficTo = (version: Version, id: string): Deployment => ({
  id,
  createdOn: version.createdOn,
  source: version.source,
  annotations: version.annotations,
  versions: [{ versionId: version.id, percentage: 100 }],
});
