/** What the channel is compared with: a Worker that reaches the origin by itself, which a VPS without a port is not. */
interface Env {
  readonly ORIGIN: string;
}

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    return fetch(env.ORIGIN + pathname + search, request);
  },
};
