/**
 * A Worker of the sandbox alone, on a loopback socket of its own: runs the supervisor's SQL in the same D1
 * that the edge has, since nothing outside workerd may open a database that workerd holds.
 */
interface Statement {
  readonly sql: string;
  readonly params: readonly (string | number | null)[];
}
interface Prepared {
  bind(...params: (string | number | null)[]): Prepared;
}
interface Env {
  readonly DB: {
    prepare(sql: string): Prepared;
    batch(statements: Prepared[]): Promise<{ results: unknown[] }[]>;
  };
  readonly TOKEN: string;
  readonly GATE: { fetch(request: Request): Promise<Response> };
  readonly EDGE: { scheduled(options: { cron: string; scheduledTime: Date }): Promise<{ outcome: string }> };
}

export default {
  /**
   * `POST` a list of statements; they run as one batch, which D1 makes atomic. Answers each one's rows.
   * `POST /cron` runs the edge's cron. `PUT` says how the edge's D1 behaves from now on (gate.ts).
   */
  async fetch(request: Request, env: Env): Promise<Response> {
    if (request.headers.get('authorization') !== `Bearer ${env.TOKEN}`)
      return new Response(null, { status: 401 });
    if (request.method === 'PUT') return env.GATE.fetch(request);
    if (new URL(request.url).pathname === '/cron') return runCron(env);
    const statements = (await request.json()) as Statement[]; // From the supervisor, which alone has the token.
    const prepared = statements.map(({ sql, params }) => env.DB.prepare(sql).bind(...params));
    try {
      return Response.json((await env.DB.batch(prepared)).map(({ results }) => results));
    } catch (error) {
      return new Response(String(error), { status: 422 });
    }
  },
};

async function runCron({ EDGE }: Env): Promise<Response> {
  const { outcome } = await EDGE.scheduled({ cron: '* * * * *', scheduledTime: new Date() });
  return new Response(outcome, { status: outcome === 'ok' ? 200 : 500 });
}
