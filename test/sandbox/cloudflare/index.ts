/**
 * The local stand-in for Cloudflare's API. A supervisor runs `main.ts` (its docstring names the environment)
 * and, beside it, what `runnerConfig` answers: the runner is up as soon as `GET http://127.0.0.1:<its port>/`
 * answers anything, which is 403.
 */
export { runnerConfig } from './runner/config.ts';
