import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { z } from 'zod';
import type { Platform } from '../platform.ts';
import { TOKEN_HEADER } from '../runner/wire.ts';
import { SentMessage } from '../store/messages.ts';
import { currentDeployment, findVersion, keyOf, type Script } from '../store/records.ts';
import { storedCode } from '../upload/version.ts';
import { isSame } from './context.ts';

const gone = (c: Context): Response => c.text('no such thing', 404);

/** Of two versions the one with more traffic: an object has one at a time, for as long as it lives. */
function objectsVersion(script: Script): string | undefined {
  return currentDeployment(script).versions.toSorted((a, b) => b.percentage - a.percentage)[0]?.versionId;
}

/** What the runner asks for: `PATHS` of `runner/wire.ts`. */
export function runnerRoutes(platform: Platform): Hono {
  const authenticate: MiddlewareHandler = async (c, next) =>
    isSame(c.req.header(TOKEN_HEADER) ?? '', platform.runner.token) ? await next() : c.text('forbidden', 403);
  return new Hono()
    .use(authenticate)
    .get('/code/:script/:version', async (c) => {
      const script = platform.store.get(c.req.param('script'));
      const version = script && findVersion(script, c.req.param('version'));
      return version ? c.json(await storedCode(version, platform.store.blobs)) : gone(c);
    })
    .get('/serving/:script', (c) => {
      const version = platform.versionFor(c.req.param('script'));
      return version === undefined ? gone(c) : c.json({ version });
    })
    .get('/objects/:namespace', (c) => {
      const has = ({ classes }: Script) => classes.find(({ id }) => id === c.req.param('namespace'));
      const script = platform.store.all().find(has);
      const version = script && objectsVersion(script);
      if (script === undefined || version === undefined) return gone(c);
      return c.json({ script: keyOf(script), version, className: has(script)?.name });
    })
    .post('/queues/:name', async (c) => {
      const queue = platform.resources.queue({ name: c.req.param('name') });
      if (queue === undefined) return gone(c);
      await platform.deliveries.send(queue, z.array(SentMessage).parse(await c.req.json()));
      return c.json({});
    });
}
