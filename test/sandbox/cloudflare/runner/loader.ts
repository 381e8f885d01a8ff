/** The Worker Loader binding of workerd, as far as it is used here, and the code that it takes. */
import { bytesOf } from './base64.ts';
import type { WireCode, WireModule } from './wire.ts';

interface LoaderCode {
  compatibilityDate: string;
  compatibilityFlags: string[];
  mainModule: string;
  modules: Record<string, unknown>;
  env: Record<string, unknown>;
}

/** What a consumer made of its messages, as workerd says it. */
interface QueueResult {
  outcome: string;
  retryBatch: { retry: boolean };
  ackAll: boolean;
  explicitAcks: string[];
  retryMessages: { msgId: string }[];
}

/** An entrypoint; its other members are the methods that it offers by RPC. */
export interface Entrypoint {
  fetch(request: Request | string): Promise<Response>;
  queue(name: string, messages: readonly object[]): Promise<QueueResult>;
  [method: string]: (...args: never[]) => unknown;
}

export interface LoadedWorker {
  getEntrypoint(name?: string): Entrypoint;
  getDurableObjectClass(name: string): unknown;
}

export interface WorkerLoader {
  /** The isolate of that id; `code` is called only when there is none yet. */
  get(id: string, code: () => Promise<LoaderCode>): LoadedWorker;
  /** An isolate that nobody else gets, gone when it is let go. */
  load(code: LoaderCode): LoadedWorker;
}

/** `inside.ts`, bundled: `config.ts` puts it here. */
declare const INSIDE_SOURCE: string;
const INSIDE = 'standin-inside.js';
const BEFORE = 'standin-before.js';
const MAIN = 'standin-main.js';

function loaderModule(module: WireModule): unknown {
  return 'base64' in module ? { [module.as]: bytesOf(module.base64).buffer } : module;
}

/** The namespaces of Durable Objects that are bound, by the bindings' names. */
function namespacesOf({ resources }: WireCode): Record<string, string> {
  const all = Object.entries(resources);
  return Object.fromEntries(
    all.flatMap(([name, resource]) => (resource.kind === 'objects' ? [[name, resource.namespace]] : [])),
  );
}

/** Before the Worker's own code, that of `inside.ts`. */
function wrapped(code: WireCode): Pick<LoaderCode, 'mainModule' | 'modules'> {
  const main = JSON.stringify(`./${code.mainModule}`);
  const before = `import { bindNamespaces } from './${INSIDE}'; bindNamespaces(${JSON.stringify(namespacesOf(code))});`;
  const all = `import './${BEFORE}'; export * from ${main};`;
  return {
    mainModule: MAIN,
    modules: {
      [INSIDE]: { js: INSIDE_SOURCE },
      [BEFORE]: { js: before },
      [MAIN]: { js: code.hasDefault ? `${all} export { default } from ${main};` : all },
    },
  };
}

/** The Worker with what its bindings are made of. */
export function loaderCode(code: WireCode, bound: Record<string, unknown>): LoaderCode {
  const { compatibilityDate, compatibilityFlags, mainModule } = code;
  const own = Object.entries(code.modules).map(([name, module]) => [name, loaderModule(module)]);
  const inside = Object.keys(namespacesOf(code)).length > 0 ? wrapped(code) : { mainModule, modules: {} };
  return {
    ...{ compatibilityDate, compatibilityFlags, mainModule: inside.mainModule },
    modules: { ...Object.fromEntries(own), ...inside.modules },
    env: { ...code.env, ...bound },
  };
}
