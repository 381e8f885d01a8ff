import { z } from 'zod';
import type { HeaderList } from './headers.ts';
import './wording.ts';

/**
 * Every error code that crosses the channel or the HTTP API, with its HTTP status and whether the same
 * request may succeed later without being changed.
 */
export const ERRORS = {
  bad_request: { status: 400, retryable: false },
  unauthorized: { status: 401, retryable: false },
  token_expired: { status: 401, retryable: false },
  token_replayed: { status: 401, retryable: false },
  signature_invalid: { status: 401, retryable: false },
  forbidden: { status: 403, retryable: false },
  key_revoked: { status: 403, retryable: false },
  lane_not_granted: { status: 403, retryable: false },
  not_found: { status: 404, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  conflict: { status: 409, retryable: false },
  stale_base: { status: 409, retryable: false },
  idempotency_mismatch: { status: 409, retryable: false },
  too_large: { status: 413, retryable: false },
  upgrade_required: { status: 426, retryable: false },
  rate_limited: { status: 429, retryable: true },
  internal: { status: 500, retryable: true },
  orchestrator_lost: { status: 502, retryable: true },
  upstream_failed: { status: 502, retryable: true },
  response_too_large: { status: 502, retryable: false },
  orchestrator_away: { status: 503, retryable: true },
  site_paused: { status: 503, retryable: true },
  site_moving: { status: 503, retryable: true },
  overloaded: { status: 503, retryable: true },
  secret_missing: { status: 503, retryable: true },
  log_full: { status: 503, retryable: true },
  storage_failed: { status: 503, retryable: true },
  deadline_exceeded: { status: 504, retryable: true },
  // Of commands: they end in a result, not in an HTTP answer.
  config_refused: { status: 422, retryable: false },
  blob_missing: { status: 422, retryable: false },
  deploy_failed: { status: 422, retryable: false },
  cloudflare_refused: { status: 422, retryable: false },
  cloudflare_unavailable: { status: 503, retryable: true },
  not_configured: { status: 422, retryable: false },
} as const satisfies Record<string, { status: number; retryable: boolean }>;

export type ErrorCode = keyof typeof ERRORS;
const codes = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];
export const errorCode = z.enum(codes);

/** How far a failed call got: only `not_started` may be repeated blindly. */
export const execution = z.enum(['not_started', 'may_have_executed']);
export type Execution = z.infer<typeof execution>;

/** An error as it travels: a code, a sentence that says what to do, and when to try again. */
export const wireError = z.object({
  code: errorCode,
  message: z.string().max(2_000),
  retryable: z.boolean(),
  retryAfterMs: z.int().min(0).optional(),
  execution: execution.optional(),
});
export type WireError = z.infer<typeof wireError>;

export interface FailureDetails {
  readonly retryAfterMs?: number;
  readonly execution?: Execution;
  readonly cause?: unknown;
  /** What the answer says besides, where the caller is a browser's page: never part of the error as it travels. */
  readonly headers?: HeaderList;
}

/** The one error class that our own code throws on purpose; anything else that is thrown is a bug or a fault. */
export class Failure extends Error {
  readonly code: ErrorCode;
  readonly details: FailureDetails;

  constructor(code: ErrorCode, message: string, details: FailureDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'Failure';
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }

  toWire(): WireError {
    const { retryAfterMs, execution } = this.details;
    return {
      code: this.code,
      message: this.message.slice(0, 2_000),
      retryable: this.retryable,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(execution === undefined ? {} : { execution }),
    };
  }

  static fromWire(error: WireError, headers?: HeaderList): Failure {
    const { retryAfterMs, execution } = error;
    return new Failure(error.code, error.message, {
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(execution === undefined ? {} : { execution }),
      ...(headers === undefined ? {} : { headers }),
    });
  }
}

/** A zod error as one sentence: the path and what was expected there, at most three of them. */
export function explain(error: z.ZodError, root = ''): string {
  const lines = error.issues.slice(0, 3).map((issue) => {
    const { path: tail, expected } = complaint(issue);
    const path = pathText([...(root === '' ? [] : [root]), ...tail]);
    return `${path === '' ? 'the body' : path}: ${expected}`;
  });
  const more = error.issues.length - lines.length;
  return lines.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

/** As it would be written: `routes[0].path`. */
function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, n) => (typeof part === 'number' ? `[${part}]` : `${n === 0 ? '' : '.'}${String(part)}`))
    .join('');
}

/** zod says "Invalid key" and "Unrecognized key" of the object around; the reader wants the key itself. */
function complaint(issue: z.core.$ZodIssue): { path: PropertyKey[]; expected: string } {
  const [key] = issue.code === 'unrecognized_keys' ? issue.keys : [];
  if (key !== undefined) return { path: [...issue.path, key], expected: issue.message };
  const inner = issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined;
  return {
    path: issue.path,
    expected: (inner ?? issue.message).replace(/^Invalid input: /, '').replace(MISSING, '$1; it is missing'),
  };
}

/** What zod says of a member that is not there. */
const MISSING = /^(expected .*), received undefined$/;
