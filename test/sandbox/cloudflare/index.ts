/**
 * The local stand-in for Cloudflare's API. A test calls `startCloudflare`; a supervisor runs `main.ts` (its
 * docstring names the environment) and, beside it, what `runnerConfig` answers: the runner is up as soon as
 * `GET http://127.0.0.1:<its port>/` answers anything, which is 403.
 */
export { type RunnerOptions, runnerConfig } from './runner/config.ts';
export type { RunningServer } from './server.ts';
export { type StartOptions, startCloudflare } from './start.ts';
