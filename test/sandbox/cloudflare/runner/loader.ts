/** The Worker Loader binding of workerd, as far as it is used here, and the code that it takes. */
import type { WireCode, WireModule } from './wire.ts';

interface LoaderCode extends Omit<WireCode, 'modules'> {
  modules: Record<string, unknown>;
}

export interface LoadedWorker {
  getEntrypoint(name?: string): { fetch(request: Request | string): Promise<Response> };
}

export interface WorkerLoader {
  /** The isolate of that id; `code` is called only when there is none yet. */
  get(id: string, code: () => Promise<LoaderCode>): LoadedWorker;
  /** An isolate that nobody else gets, gone when it is let go. */
  load(code: LoaderCode): LoadedWorker;
}

/** A loop, since `Uint8Array.from` with a mapper takes seconds for a module of 10 MB. */
function bytesOf(base64: string): ArrayBuffer {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes.buffer;
}

function loaderModule(module: WireModule): unknown {
  return 'base64' in module ? { [module.as]: bytesOf(module.base64) } : module;
}

export function loaderCode(code: WireCode): LoaderCode {
  const modules = Object.entries(code.modules).map(([name, module]) => [name, loaderModule(module)]);
  return { ...code, modules: Object.fromEntries(modules) };
}
