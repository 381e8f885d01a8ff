import type { UserClaims } from '@clawdbot/protocol';
import type { OpenAPIHono, RouteConfig, RouteHandler } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Address } from '../hosts.ts';
import type { Services } from '../services.ts';

/** What a request on the console brings with it. */
interface Visit {
  readonly services: Services;
  readonly address: Address;
  readonly requestId: string;
}

export interface ConsoleEnv {
  Bindings: Visit;
}

/** On the API, who asks is known. */
export interface ApiEnv extends ConsoleEnv {
  Variables: { user: UserClaims };
}

export type ApiContext = Context<ApiEnv>;
export type ApiApp = OpenAPIHono<ApiEnv>;
export type ApiHandler<R extends RouteConfig> = RouteHandler<R, ApiEnv>;
