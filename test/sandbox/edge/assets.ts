/** In the place of Cloudflare's static assets: files of a folder, by workerd's disk service, with their types. */
interface Env {
  readonly FILES: { fetch(url: string, init: { method: string }): Promise<Response> };
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

export default {
  async fetch({ url, method }: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(url);
    const path = pathname === '/' ? '/index.html' : pathname;
    const type = TYPES[path.slice(path.lastIndexOf('.') + 1)];
    // A folder has no type either: the disk service would list it.
    if (type === undefined) return new Response(null, { status: 404 });
    const file = await env.FILES.fetch(`http://files${path}`, { method });
    if (!file.ok) return new Response(null, { status: 404 });
    return new Response(file.body, { headers: { 'content-type': type } });
  },
};
