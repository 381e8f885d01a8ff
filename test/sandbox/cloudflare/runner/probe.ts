/** Tries an uploaded Worker out, inside the runner's workerd, before the stand-in stores it. */
import { boundOf, type Exports } from './bound.ts';
import { type LoadedWorker, loaderCode, type WorkerLoader } from './loader.ts';
import type { WireCode } from './wire.ts';

const ABSENT_ENTRYPOINT = 'StandinUploadProbe';
const PROBE_MODULE = 'standin-upload-probe.js';

/** Lists the handlers of each export, as the API's `handlers` and `named_handlers` name them. */
const probeSource = (mainModule: string): string => `
import * as worker from ${JSON.stringify(`./${mainModule}`)};
const KNOWN = ['fetch', 'scheduled', 'queue', 'email', 'tail', 'trace', 'tailStream', 'alarm', 'test'];
const on = (value) => typeof value === 'function' ? value.prototype : value;
const handlers = (value) => KNOWN.filter((name) => typeof on(value)?.[name] === 'function');
export default { fetch: () => Response.json(
  Object.entries(worker).map(([name, value]) => ({ name, class: typeof value === 'function', handlers: handlers(value) })),
) };`;

type Load = (code: WireCode) => LoadedWorker;

/**
 * Starts the Worker itself, without calling any handler of it: workerd runs the top level first and only
 * then finds out that the entrypoint does not exist.
 */
async function start(code: WireCode, load: Load): Promise<void> {
  try {
    await load(code).getEntrypoint(ABSENT_ENTRYPOINT).fetch('http://probe/');
  } catch (error) {
    if (!String(error).includes('has no such entrypoint')) throw error;
  }
}

function listExports(code: WireCode, load: Load): Promise<Response> {
  const modules = { ...code.modules, [PROBE_MODULE]: { js: probeSource(code.mainModule) } };
  const worker = load({ ...code, modules, mainModule: PROBE_MODULE, hasDefault: true });
  return worker.getEntrypoint().fetch('http://probe/');
}

/** 200 `{ exports: [{ name, class, handlers }] }`, or 422 `{ error }` when the Worker does not start. */
export async function probe(request: Request, loader: WorkerLoader, exports: Exports): Promise<Response> {
  const code: WireCode = JSON.parse(await request.text());
  const load: Load = (tried) => loader.load(loaderCode(tried, boundOf(tried, exports)));
  try {
    await start(code, load);
    const listed: unknown = JSON.parse(await (await listExports(code, load)).text());
    return Response.json({ exports: listed });
  } catch (error) {
    return Response.json({ error: error instanceof Error ? error.message : String(error) }, { status: 422 });
  }
}
