import { z } from 'zod';
import { ApiError, CODES, invalid } from '../api/envelope.ts';
import {
  PROBE_HEADER,
  QUEUE_HEADER,
  SCRIPT_HEADER,
  TOKEN_HEADER,
  VERSION_HEADER,
  type WireCode,
  type WireMessage,
} from '../runner/wire.ts';

const Exports = z.object({
  exports: z.array(z.object({ name: z.string(), class: z.boolean(), handlers: z.array(z.string()) })),
});
const Failed = z.object({ error: z.string() });

/** What a consumer made of a batch, as workerd says it. */
const Delivered = z.object({
  outcome: z.string(),
  ackAll: z.boolean(),
  retryBatch: z.object({ retry: z.boolean() }),
  explicitAcks: z.array(z.string()),
  retryMessages: z.array(z.object({ msgId: z.string() })),
});
export type Delivered = z.infer<typeof Delivered>;
/** "Max consumer duration: 15 minutes" at Cloudflare; here nobody waits for so long. */
const DELIVERY_TIMEOUT_MS = 60_000;

/** What a Worker exports: `default` among the names. */
export type WorkerExports = z.infer<typeof Exports>['exports'];

/**
 * Cloudflare stops a start after 1 s of CPU (developers.cloudflare.com/workers/platform/limits); bare
 * workerd never does, so this is wall time, with room for a busy machine.
 */
const STARTUP_TIMEOUT_MS = 10_000;

const unavailable = (): ApiError =>
  new ApiError(503, CODES.unknown, 'workers.api.error.unknown: the runner of Workers is not up; try again.', {
    retryAfterS: 1,
  });

/** The workerd that runs the Workers, seen from the API's process. */
export class Runner {
  readonly port: number;
  readonly token: string;

  constructor(port: number, token: string) {
    this.port = port;
    this.token = token;
  }

  /** Starts the Worker without serving it: its exports, or 10021 with what its top level threw. */
  async probe(code: WireCode): Promise<WorkerExports> {
    const response = await this.send(code);
    const body: unknown = await response.json();
    if (response.ok) return Exports.parse(body).exports;
    throw invalid(Failed.parse(body).error.replace(/^Failed to start Worker:\s*/, ''));
  }

  /** Brings messages to a consumer. Throws when the runner is not up, or the Worker cannot be loaded. */
  async deliver(
    queue: string,
    script: string,
    version: string | undefined,
    batch: readonly WireMessage[],
  ): Promise<Delivered> {
    if (version === undefined) throw new Error(`the consumer ${script} is gone`);
    const response = await fetch(`http://127.0.0.1:${this.port}/`, {
      method: 'POST',
      headers: {
        [TOKEN_HEADER]: this.token,
        [SCRIPT_HEADER]: script,
        [VERSION_HEADER]: version,
        [QUEUE_HEADER]: queue,
      },
      body: JSON.stringify(batch),
      signal: AbortSignal.timeout(DELIVERY_TIMEOUT_MS),
    });
    if (!response.ok) throw new Error(`the runner answered ${response.status}`);
    return Delivered.parse(await response.json());
  }

  private async send(code: WireCode): Promise<Response> {
    try {
      return await fetch(`http://127.0.0.1:${this.port}/`, {
        method: 'POST',
        headers: { [TOKEN_HEADER]: this.token, [PROBE_HEADER]: '1' },
        body: JSON.stringify(code),
        signal: AbortSignal.timeout(STARTUP_TIMEOUT_MS),
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === 'TimeoutError') {
        throw invalid('Script startup exceeded CPU time limit.');
      }
      throw unavailable();
    }
  }
}
