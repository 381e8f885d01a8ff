/** What an uploaded Worker's bindings are made of: entrypoints of the runner, each with what it stands for. */
import { WorkerEntrypoint } from 'cloudflare:workers';
import { base64Of } from './base64.ts';
import type { Exports, Of } from './bound.ts';
import { ask, type Env, load } from './load.ts';
import type { Entrypoint } from './loader.ts';
import { PATHS, type WireSent } from './wire.ts';

/**
 * `self`, of which `fetch` and every method that it lacks are those of a target that is asked for at each call: what a
 * Worker offers by RPC is known to its own code alone.
 */
export function forwarding<T extends object>(self: T, target: () => Promise<Entrypoint>): T {
  return new Proxy(self, {
    get: (own, member) => {
      if (member !== 'fetch' && Reflect.has(own, member)) return Reflect.get(own, member);
      return async (...args: never[]) => (await target())[String(member)]?.(...args);
    },
  });
}

/** Another Worker: for each call, the version that serves it. */
export class Service extends WorkerEntrypoint<Env> {
  constructor(ctx: unknown, env: Env) {
    super(ctx, env);
    const { script, entrypoint } = this.ctx.props as Of<'service'>;
    const exports = this.ctx.exports as Exports;
    // biome-ignore lint/correctness/noConstructorReturn: which methods there are, only the uploaded code knows
    return forwarding(this, async () => {
      const serving = (await ask(env, PATHS.serving(script))) as { version: string } | undefined;
      if (serving === undefined) throw new Error('Worker not found.');
      return load(env, exports, script, serving.version).getEntrypoint(entrypoint);
    });
  }
}

/** A dispatch namespace. `args` and `options` (outbound Workers, limits) have no effect here. */
export class Dispatch extends WorkerEntrypoint<Env> {
  get(name: string): unknown {
    const { namespace } = this.ctx.props as Of<'dispatch'>;
    const script = `${namespace}/${name}`;
    return (this.ctx.exports as Exports).Service({ props: { kind: 'service', script } });
  }
}

interface SendOptions {
  contentType?: string;
}

function wired(body: unknown, { contentType = 'json' }: SendOptions): WireSent {
  switch (contentType) {
    case 'json':
      return { contentType, body: JSON.stringify(body) };
    case 'text':
      return { contentType, body: String(body) };
    case 'bytes':
      return { contentType, body: base64Of(new Uint8Array(body as ArrayBuffer)) };
    default:
      throw new TypeError(`the local stand-in for Cloudflare has no queue messages of type ${contentType}`);
  }
}

/** A queue's producer: sent is stored. Delays are not kept. */
export class Queue extends WorkerEntrypoint<Env> {
  async send(body: unknown, options: SendOptions = {}): Promise<void> {
    await this.#store([wired(body, options)]);
  }

  async sendBatch(messages: Iterable<{ body: unknown } & SendOptions>): Promise<void> {
    await this.#store([...messages].map(({ body, ...options }) => wired(body, options)));
  }

  async #store(messages: WireSent[]): Promise<void> {
    const { name } = this.ctx.props as Of<'queue'>;
    const stored = await ask(this.env, PATHS.queue(name), messages);
    if (stored === undefined) throw new Error(`the queue ${name} is gone`);
  }
}

/** A namespace of Durable Objects; what answers with ids is in `inside.ts`. */
export class Objects extends WorkerEntrypoint<Env> {
  stub(id: string): unknown {
    const { namespace } = this.ctx.props as Of<'objects'>;
    return this.env.HOST.getByName(`${namespace}/${id}`);
  }
}

/** An Analytics Engine dataset: what is written is dropped. */
export class Dataset extends WorkerEntrypoint<Env> {
  writeDataPoint(): void {}
}
