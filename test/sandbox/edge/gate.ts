/** How the edge's D1 behaves: as it should, refusing every query, or answering late. */
export type D1State = 'ok' | 'fail' | 'slow';

/** Far longer than a query takes, and less than what whoever asks D1 waits for it. */
const SLOW_MS = 1_500;

/** workerd runs one isolate of a Worker: what one door sets, the other sees. A new process begins with `ok`. */
let state: D1State = 'ok';

interface Env {
  readonly ENTRY: { fetch(request: Request): Promise<Response> };
}

/** Stands between the edge's binding and the simulator. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (state === 'fail') return new Response('D1 is told to fail', { status: 500 });
    if (state === 'slow') await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    return env.ENTRY.fetch(request);
  },
};

/** The admin Worker's door: the body says the new state. */
export const gate = {
  async fetch(request: Request): Promise<Response> {
    state = (await request.text()) as D1State; // From the supervisor's own code, typed there.
    return new Response(null, { status: 204 });
  },
};
