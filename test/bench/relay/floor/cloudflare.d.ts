/** As much of the runtime's own module as the Worker here uses. */
declare module 'cloudflare:workers' {
  export class DurableObject {
    constructor(ctx: unknown, env: unknown);
  }
}
