import { registerHooks } from 'node:module';

const WORKERS = new URL('./edge/workers.ts', import.meta.url).href;

/** The edge's code runs in Node here: what the runtime gives it by name, the simulation gives. */
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'cloudflare:workers' ? { url: WORKERS, shortCircuit: true } : next(specifier, context),
});
