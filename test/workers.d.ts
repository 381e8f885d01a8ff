/** As much of workerd's own module as the Workers here use. */
declare module 'cloudflare:workers' {
  export const env: Record<string, unknown>;
  export abstract class WorkerEntrypoint<Env = unknown> {
    protected readonly ctx: { readonly props: unknown; readonly exports: unknown };
    protected readonly env: Env;
    constructor(ctx: unknown, env: Env);
  }
  export abstract class DurableObject<Env = unknown> {
    protected readonly ctx: {
      readonly id: { readonly name?: string };
      readonly exports: unknown;
      readonly facets: {
        get(name: string, start: () => { class: unknown; id: string }): unknown;
        abort(name: string, reason: Error): void;
      };
    };
    protected readonly env: Env;
    constructor(ctx: unknown, env: Env);
  }
}
