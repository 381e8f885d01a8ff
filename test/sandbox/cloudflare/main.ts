/**
 * The local stand-in for Cloudflare's API, as a process of its own. Environment:
 *
 * - `PORT`: the API's port on 127.0.0.1 (`CLOUDFLARE_API_BASE_URL=http://127.0.0.1:PORT/client/v4`;
 *   `GET http://127.0.0.1:PORT/_workers` lists the Workers' urls, `/_health` answers 200 once it is up)
 * - `DATA_DIR`: where scripts, versions, deployments, secrets and ports are kept
 * - `ACCOUNT_ID`: the one account, 32 hexadecimal digits
 * - `API_TOKEN`: the one bearer token that may call the API
 * - `RUNNER_PORT`, `RUNNER_TOKEN`: as given to `runnerConfig` (`runner/config.ts`), whose workerd the
 *   supervisor runs beside this process
 * - `RATE_LIMIT_CALLS`: calls per five minutes and token; 1200 if it is not set
 *
 * A missing or bad one ends the process with code 2 and one line. It keeps its state through SIGKILL at
 * any time; SIGTERM and SIGINT end it with code 0.
 */
import { z } from 'zod';
import { CLOUDFLARE_BUDGET } from './api/budget.ts';
import { startServer } from './server.ts';

const Port = z.coerce.number().int().min(0).max(65_535);
const Environment = z.object({
  PORT: Port,
  DATA_DIR: z.string().min(1),
  ACCOUNT_ID: z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 hexadecimal digits'),
  API_TOKEN: z.string().regex(/^[\w.~+/=-]+$/, 'must be a bearer token'),
  RUNNER_PORT: Port.min(1),
  RUNNER_TOKEN: z.string().min(16),
  RATE_LIMIT_CALLS: z.coerce.number().int().min(1).default(CLOUDFLARE_BUDGET.calls),
});

function readEnvironment(): z.infer<typeof Environment> {
  const parsed = Environment.safeParse(process.env);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  console.error(`${issue?.path.join('.')}: ${issue?.message}`);
  process.exit(2);
}

const env = readEnvironment();
const server = await startServer({
  dataDir: env.DATA_DIR,
  port: env.PORT,
  accountId: env.ACCOUNT_ID,
  apiToken: env.API_TOKEN,
  runnerPort: env.RUNNER_PORT,
  runnerToken: env.RUNNER_TOKEN,
  budget: { ...CLOUDFLARE_BUDGET, calls: env.RATE_LIMIT_CALLS },
});
console.log(`Cloudflare stand-in: ${server.url}`);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void server.close().then(() => process.exit(0)));
}
