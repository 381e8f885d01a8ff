import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';

/**
 * The codes this stand-in answers with. Sources: developers.cloudflare.com/workers/observability/errors
 * ("Errors on Worker upload"), `x-cfLinkErrors` in Cloudflare's OpenAPI schema, and what wrangler 4.156
 * itself looks for (10057, 10090, 10214, 10215, 10220). Of what a binding names and is not there, and of dispatch
 * namespaces: as github.com/alchemy-run/distilled (#365) has met them at the live API.
 */
export const CODES = {
  throttled: 971,
  invalidApiToken: 1000,
  invalidRequestHeaders: 6003,
  invalidAuthorizationFormat: 6111,
  couldNotRoute: 7003,
  missingCredentials: 9106,
  authentication: 10000,
  unsupportedContentType: 10001,
  notFound: 10007,
  unknown: 10013,
  invalidWorkerName: 10016,
  duplicateRoute: 10020,
  validation: 10021,
  unparseableBody: 10026,
  tooLarge: 10027,
  bindingWithoutName: 10052,
  bindingNameTaken: 10053,
  variableTooLarge: 10054,
  tooManyVariables: 10055,
  bindingNotFound: 10056,
  inheritedBindingNotFound: 10057,
  kvNamespaceNotFound: 10041,
  noHandlers: 10068,
  objectClassNotFound: 10061,
  objectClassNotExported: 10064,
  objectClassExists: 10074,
  migrationTagMismatch: 10079,
  bucketNotFound: 10085,
  serviceNotFound: 10090,
  serviceBindingNotFound: 10144,
  hyperdriveNotFound: 10157,
  vectorizeIndexNotFound: 10159,
  databaseNotFound: 10181,
  migrationInVersion: 10211,
  latestVersionNotDeployed: 10215,
  secretsChangedSinceVersion: 10220,
  queueNotFound: 11000,
  queueHandlerMissing: 11001,
  consumerExists: 11004,
  queueInUse: 11005,
  queueNameTaken: 11009,
  domainInUse: 100116,
  dispatchNamespaceNotFound: 100119,
  dispatchNamespaceExists: 100120,
} as const;

/** A refusal, answered as Cloudflare's error envelope. `retryAfterS` becomes the `retry-after` header. */
export class ApiError extends Error {
  readonly status: ContentfulStatusCode;
  readonly code: number;
  readonly retryAfterS: number | undefined;
  readonly chain: { code: number; message: string }[] | undefined;

  constructor(
    status: ContentfulStatusCode,
    code: number,
    message: string,
    more: { retryAfterS?: number; chain?: { code: number; message: string }[] } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterS = more.retryAfterS;
    this.chain = more.chain;
  }
}

/** 400 with code 10021, Cloudflare's catch-all for a Worker or a setting that fails its validation. */
export const invalid = (message: string): ApiError => new ApiError(400, CODES.validation, message);

/** 404 with code 10007. */
export const notFound = (message = 'This Worker does not exist on your account.'): ApiError =>
  new ApiError(404, CODES.notFound, message);

/** `{ success: true, result, errors: [], messages: [] }`, with `result_info` for lists. */
export const ok = (c: Context, result: unknown, resultInfo?: object): Response =>
  c.json({
    result,
    success: true,
    errors: [],
    messages: [],
    ...(resultInfo && { result_info: resultInfo }),
  });

/** `{ success: false, result: null, errors: [{ code, message }], messages: [] }`. */
export function refuse(c: Context, error: ApiError): Response {
  if (error.retryAfterS !== undefined) c.header('retry-after', String(error.retryAfterS));
  const entry = {
    code: error.code,
    message: error.message,
    ...(error.chain && { error_chain: error.chain }),
  };
  return c.json({ result: null, success: false, errors: [entry], messages: [] }, error.status);
}
