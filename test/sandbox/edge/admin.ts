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
}

export default {
  /** `POST` a list of statements; they run as one batch, which D1 makes atomic. Answers each one's rows. */
  async fetch(request: Request, env: Env): Promise<Response> {
    if (request.headers.get('authorization') !== `Bearer ${env.TOKEN}`)
      return new Response(null, { status: 401 });
    const statements = (await request.json()) as Statement[]; // From the supervisor, which alone has the token.
    const prepared = statements.map(({ sql, params }) => env.DB.prepare(sql).bind(...params));
    try {
      return Response.json((await env.DB.batch(prepared)).map(({ results }) => results));
    } catch (error) {
      return new Response(String(error), { status: 422 });
    }
  },
};
