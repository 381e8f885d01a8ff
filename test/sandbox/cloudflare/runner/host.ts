import { DurableObject } from 'cloudflare:workers';
import { forwarding } from './bindings.ts';
import type { Exports } from './bound.ts';
import { ask, type Env, load } from './load.ts';
import type { Entrypoint } from './loader.ts';
import { PATHS } from './wire.ts';

const FACET = 'object';
interface Running {
  script: string;
  version: string;
  className: string;
}

/**
 * One Durable Object of an uploaded Worker, run as a facet of this one, with storage of its own: its class is loaded
 * when it is asked for. Another version of the Worker ends it, and the next call starts it anew, as at Cloudflare.
 * workerd (1.20261102) has no alarms for facets.
 */
export class Host extends DurableObject<Env> {
  #version: string | undefined;

  constructor(ctx: unknown, env: Env) {
    super(ctx, env);
    // biome-ignore lint/correctness/noConstructorReturn: which methods there are, only the uploaded code knows
    return forwarding(this, () => this.#object());
  }

  async #object(): Promise<Entrypoint> {
    const [namespace = '', id = ''] = this.ctx.id.name?.split('/') ?? [];
    const running = (await ask(this.env, PATHS.objects(namespace))) as Running | undefined;
    if (running === undefined) throw new Error('The Durable Object class does not exist any more.');
    const { script, version, className } = running;
    if (this.#version !== undefined && this.#version !== version) {
      this.ctx.facets.abort(FACET, new Error("The Durable Object's code has been updated."));
    }
    this.#version = version;
    const worker = load(this.env, this.ctx.exports as Exports, script, version);
    const object = this.ctx.facets.get(FACET, () => ({ class: worker.getDurableObjectClass(className), id }));
    return object as Entrypoint;
  }
}
