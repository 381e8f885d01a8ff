import { applyD1Migrations } from 'cloudflare:test';
import { env } from 'cloudflare:workers';

// Before each file's tests: D1 as a deploy would have it.
await applyD1Migrations(env.DB, env.MIGRATIONS);
