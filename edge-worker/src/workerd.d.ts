/// <reference types="@cloudflare/vitest-plugin/types" />

/** What `env` of `cloudflare:workers` holds in the tests: the Worker's bindings, and what vitest.config.ts adds. */
declare namespace Cloudflare {
  interface Env extends Readonly<import('./env.ts').Env> {
    readonly MIGRATIONS: import('cloudflare:test').D1Migration[];
  }
  interface GlobalProps {
    mainModule: typeof import('./worker.ts');
  }
}
