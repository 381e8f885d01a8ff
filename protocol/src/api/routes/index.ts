/**
 * The HTTP API's routes, which edge, CLI and dashboard share. A door of its own (`@clawdbot/protocol/routes`):
 * who only speaks frames need not load the OpenAPI library.
 */

export * from './act.ts';
export * from './commands.ts';
export * from './configs.ts';
export * from './deadletters.ts';
export * from './deployments.ts';
export * from './events.ts';
export * from './moves.ts';
export * from './orchestrators.ts';
export * from './receipts.ts';
export * from './secrets.ts';
export * from './session.ts';
export * from './sites.ts';
export * from './sync.ts';

/** The prefix of every route; paths there are relative to it. */
export const API_PREFIX = '/api/v1';
