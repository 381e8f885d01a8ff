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

function bytesOf(base64: string): ArrayBuffer {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)).buffer;
}

function loaderModule(module: WireModule): unknown {
  return 'base64' in module ? { [module.as]: bytesOf(module.base64) } : module;
}

export function loaderCode(code: WireCode): LoaderCode {
  const modules = Object.entries(code.modules).map(([name, module]) => [name, loaderModule(module)]);
  return { ...code, modules: Object.fromEntries(modules) };
}
