/** Pages of these origins may, and of the Worker's own; what is no page has no origin. */
export function mayAsk(request: Request, origins: readonly string[]): boolean {
  const origin = request.headers.get('origin');
  return origin === null || origin === new URL(request.url).origin || origins.includes(origin);
}

/** What lets a page of an allowed origin read the answer. */
export function withCors(request: Request, origins: readonly string[], response: Response): Response {
  response.headers.append('vary', 'Origin');
  const origin = request.headers.get('origin');
  if (origin !== null && mayAsk(request, origins)) {
    response.headers.set('access-control-allow-origin', origin);
    response.headers.set('access-control-expose-headers', 'Retry-After, Worker-Version');
  }
  return response;
}

/** A browser's question before it sends JSON. */
export const preflight = (): Response =>
  new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'Content-Type',
      'access-control-max-age': '86400',
    },
  });
