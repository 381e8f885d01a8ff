/** A small Cloudflare in memory, for tests: it answers `fetch`, keeps versions, divides traffic, and fails when told to. */
import { z } from 'zod';
import type { Fetch } from './api-client.ts';

interface Version {
  readonly id: string;
  readonly metadata: z.infer<typeof metadata>;
  readonly modules: Record<string, { type: string; text: string }>;
  readonly migrationTag?: string;
}
export interface Script {
  versions: Version[];
  readonly deployments: {
    id: string;
    versions: { version_id: string; percentage: number }[];
    annotations?: Record<string, string>;
  }[];
  routes: string[];
  /** Not on workers.dev. */
  isHidden?: boolean;
}

const metadata = z.strictObject({
  main_module: z.string(),
  compatibility_date: z.string(),
  compatibility_flags: z.array(z.string()).optional(),
  bindings: z.array(z.looseObject({ type: z.string(), name: z.string() })),
  keep_bindings: z.array(z.string()),
  tags: z.array(z.string()).optional(),
  annotations: z.strictObject({ 'workers/tag': z.string().max(100), 'workers/message': z.string() }),
});

/** Before the call takes effect, or after it did but before anyone is told. */
export interface Fault {
  readonly on: string;
  readonly when: 'before' | 'after';
  readonly answer: () => Response;
}

const envelope = (result: unknown): Response =>
  Response.json({ success: true, result, errors: [], messages: [] });
export const refusal = (status: number, code: number, message: string, headers = {}): Response =>
  Response.json(
    { success: false, result: null, errors: [{ code, message }], messages: [] },
    { status, headers },
  );
export const dropped = (): Response => {
  throw new TypeError('fetch failed');
};

const newDeployment = z.looseObject({
  annotations: z.record(z.string(), z.string()),
  versions: z.array(z.object({ version_id: z.string(), percentage: z.number() })),
});

const newDomain = z.looseObject({ hostname: z.string(), service: z.string() });

export function fakeCloudflare() {
  const scripts = new Map<string, Script>();
  const domains: { id: string; hostname: string; service: string }[] = [];
  const calls: string[] = [];
  const faults: Fault[] = [];
  let ids = 0;
  const nextId = (kind: string): string => `${kind}-${++ids}`;

  async function readVersion(request: Request): Promise<Version> {
    const form = await request.formData();
    const modules: Version['modules'] = {};
    for (const [name, part] of form) {
      if (typeof part === 'string') throw new Error(`the part ${name} is no file`);
      if (name === 'metadata') continue;
      if (part.name !== name) throw new Error(`the part ${name} has the filename ${part.name}`);
      modules[name] = { type: part.type, text: await part.text() };
    }
    const described = z.instanceof(File).parse(form.get('metadata'));
    return { id: nextId('version'), metadata: metadata.parse(JSON.parse(await described.text())), modules };
  }

  const whole = ({ id }: Version) => ({
    id: nextId('deployment'),
    versions: [{ version_id: id, percentage: 100 }],
  });
  function attach(body: unknown): Response {
    const { hostname, service } = newDomain.parse(body);
    const known = domains.find((domain) => domain.hostname === hostname);
    if (known !== undefined && known.service !== service) return refusal(409, 100_116, 'in use');
    if (known === undefined) domains.push({ id: `id-of-${hostname}`, hostname, service });
    return envelope({});
  }

  const absent = (): Response => refusal(404, 10_007, 'This Worker does not exist on your account.');

  async function put(name: string, request: Request): Promise<Response> {
    const version = await readVersion(request);
    const script = scripts.get(name) ?? { versions: [], deployments: [], routes: [] };
    script.versions.unshift(version);
    script.deployments.unshift(whole(version));
    scripts.set(name, script);
    return envelope({ id: name });
  }

  async function handle(call: string, name: string, id: string, request: Request): Promise<Response> {
    if (call === 'PUT script') return put(name, request);
    if (call === 'GET subdomain' && name === '') return envelope({ subdomain: 'agency' });
    if (call === 'GET domains') return envelope(domains);
    if (call === 'PUT domains') return attach(await request.json());
    if (call === 'DELETE domain') {
      if (domains.every((domain) => domain.id !== id)) return refusal(404, 100_114, 'no such domain');
      domains.splice(0, domains.length, ...domains.filter((domain) => domain.id !== id));
      return envelope({});
    }
    const script = scripts.get(name);
    if (script === undefined) return absent();
    switch (call) {
      case 'GET versions':
        return envelope({
          items: script.versions.map((v) => ({ id: v.id, annotations: v.metadata.annotations })),
        });
      case 'GET version': {
        const found = script.versions.find((version) => version.id === id);
        return envelope({ resources: { script_runtime: { migration_tag: found?.migrationTag } } });
      }
      case 'POST versions':
        script.versions.unshift(await readVersion(request));
        return envelope({ id: script.versions[0]?.id });
      case 'DELETE version':
        script.versions = script.versions.filter((version) => version.id !== id);
        return envelope({});
      case 'GET deployments':
        return envelope({ deployments: script.deployments });
      case 'POST deployments': {
        const { versions, annotations } = newDeployment.parse(await request.json());
        script.deployments.unshift({ id: nextId('deployment'), versions, annotations });
        return envelope(script.deployments[0]);
      }
      case 'GET subdomain':
        return envelope({ enabled: script.isHidden !== true, previews_enabled: false });
      case 'POST subdomain':
        return envelope({ enabled: true, previews_enabled: false });
      case 'GET routes':
        return envelope(script.routes.map((pattern) => ({ pattern })));
      case 'PUT routes':
        script.routes = z
          .array(z.object({ pattern: z.string() }))
          .parse(await request.json())
          .map((r) => r.pattern);
        return envelope([]);
      case 'DELETE script':
        scripts.delete(name);
        return envelope({ id: name });
      default:
        throw new Error(`no such call: ${call}`);
    }
  }

  const take = (on: string, when: Fault['when']): Response | undefined => {
    const index = faults.findIndex((fault) => fault.on === on && fault.when === when);
    return index < 0 ? undefined : faults.splice(index, 1)[0]?.answer();
  };

  /** What a Worker's own address answers; the version is the one that was asked for by name, if it is deployed. */
  let serve = (_script: Script, _versionId: string): Response => new Response('hello');

  function answer(name: string, request: Request): Response {
    const script = scripts.get(name);
    const shares = script?.deployments[0]?.versions ?? [];
    if (script === undefined) return new Response('', { status: 404 });
    const wanted = /="([^"]+)"/.exec(request.headers.get('cloudflare-workers-version-overrides') ?? '')?.[1];
    const named = shares.find(({ version_id }) => version_id === wanted);
    const largest = shares.toSorted((a, b) => b.percentage - a.percentage)[0];
    return serve(script, (named ?? largest)?.version_id ?? '');
  }

  /** Workers in dispatch namespaces, by `namespace/name`. */
  const namespaces = new Map<string, Version>();

  async function inNamespace(request: Request, pathname: string): Promise<Response | undefined> {
    const [, namespace, name, tags] =
      /\/dispatch\/namespaces\/([^/]+)\/scripts\/([^/]+)(\/tags)?$/.exec(pathname) ?? [];
    if (namespace === undefined) return undefined;
    const key = `${namespace}/${name}`;
    calls.push(`${request.method} ${tags === undefined ? key : 'tags'}`);
    if (request.method === 'PUT') namespaces.set(key, await readVersion(request));
    const version = namespaces.get(key);
    if (version === undefined) return absent();
    if (tags !== undefined) return envelope(version.metadata.tags ?? []);
    return envelope({ etag: version.id, script: { id: name } });
  }

  const fetcher: Fetch = async (input, init) => {
    const request = new Request(input, init);
    const { hostname, pathname } = new URL(request.url);
    if (hostname.endsWith('.workers.dev')) {
      calls.push('probe');
      const early = take('probe', 'before');
      return early ?? answer(hostname.split('.')[0] ?? '', request);
    }
    const dispatched = await inNamespace(request, pathname);
    if (dispatched !== undefined) return dispatched;
    const [, name = '', what = '', id = ''] =
      /\/accounts\/acc\/workers(?:\/(?:scripts|workers|services)\/([^/]+))?(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
        pathname.replace('/environments/production', ''),
      ) ?? [];
    const one = what === 'domains' ? 'domain' : 'version';
    const kind = what === '' ? 'script' : id === '' ? what : one;
    const call = `${request.method} ${kind}`;
    calls.push(call);
    const early = take(call, 'before');
    if (early !== undefined) return early;
    const given = await handle(call, name, id, request);
    return take(call, 'after') ?? given;
  };

  return {
    fetcher,
    /** In their order; a look at a Worker's address is a `probe`. */
    calls,
    scripts,
    namespaces,
    domains,
    fail: (fault: Fault) => faults.push(fault),
    serveBy: (how: typeof serve) => {
      serve = how;
    },
  };
}

/** A Worker that says its version. */
export const saying = (_script: Script, versionId: string): Response =>
  new Response('', { headers: { 'Worker-Version': versionId } });
