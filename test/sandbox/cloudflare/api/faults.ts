import type { Context, MiddlewareHandler } from 'hono';
import { Hono } from 'hono';
import { z } from 'zod';
import { CODES, invalid } from './envelope.ts';

/**
 * A fault that calls meet: `POST /_faults` beside the API, for tests. `before`: the call has no effect; `after`: it has,
 * and nobody is told.
 */
const Fault = z.strictObject({
  method: z.string(),
  /** The path, below `/client/v4/accounts/<account>/workers`, ends with this. */
  path: z.string(),
  when: z.enum(['before', 'after']),
  /** 429 comes with `retry-after`; `hang`: no answer at all. */
  answer: z.union([z.int().min(400).max(599), z.literal('hang')]),
  retryAfterS: z.int().min(0).default(1),
  times: z.int().min(1).default(1),
});
type Fault = z.infer<typeof Fault>;

/** The faults that are still to be met, oldest first. In memory only. */
export class Faults {
  #faults: Fault[] = [];

  /** `POST`: one more; `DELETE`: none any more. */
  routes(): Hono {
    return new Hono()
      .post('/', async (c) => {
        const fault = Fault.safeParse(await c.req.json());
        if (!fault.success) throw invalid(`Invalid fault: ${z.prettifyError(fault.error)}`);
        this.#faults.push(fault.data);
        return c.body(null, 204);
      })
      .delete('/', (c) => {
        this.#faults = [];
        return c.body(null, 204);
      });
  }

  readonly meet: MiddlewareHandler = async (c, next) => {
    const fault = this.#take(c);
    if (fault?.when === 'before') return await failed(fault, c);
    await next();
    if (fault === undefined) return undefined;
    // What the call has answered goes unheard.
    c.res = undefined;
    c.res = await failed(fault, c);
    return undefined;
  };

  #take(c: Context): Fault | undefined {
    const at = this.#faults.findIndex(
      ({ method, path }) => c.req.method === method && c.req.path.endsWith(path),
    );
    const fault = this.#faults[at];
    if (fault === undefined) return undefined;
    fault.times -= 1;
    if (fault.times === 0) this.#faults.splice(at, 1);
    return fault;
  }
}

async function failed({ answer, retryAfterS }: Fault, c: Context): Promise<Response> {
  // Until the caller gives up.
  if (answer === 'hang') await new Promise((resolve) => c.req.raw.signal.addEventListener('abort', resolve));
  const status = answer === 'hang' ? 500 : answer;
  const code = status === 429 ? CODES.throttled : CODES.unknown;
  const headers = { 'content-type': 'application/json', 'retry-after': String(retryAfterS) };
  const body = {
    result: null,
    success: false,
    errors: [{ code, message: 'a fault that was asked for' }],
    messages: [],
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: status === 429 ? headers : { 'content-type': 'application/json' },
  });
}
