import { randomUUID } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import type { Platform } from '../platform.ts';
import { latestVersion, type Script } from '../store/records.ts';
import type { Consumer, Queue } from '../store/resources.ts';
import { parseJson } from '../upload/metadata.ts';
import { pageOf } from './context.ts';
import { ApiError, CODES, notFound, ok } from './envelope.ts';

const NewQueue = z.strictObject({
  queue_name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/),
  settings: z.json().optional(),
});
/** A Worker's; messages that are pulled are not handed out here. */
const NewConsumer = z.strictObject({
  type: z.literal('worker').optional(),
  script_name: z.string(),
  environment_name: z.string().optional(),
  dead_letter_queue: z.string().optional(),
  /** Of these the two with an effect here are kept. */
  settings: z
    .looseObject({ batch_size: z.int().min(1).optional(), max_retries: z.int().min(0).optional() })
    .optional(),
});
/** developers.cloudflare.com/queues/configuration/configure-queues */
const DEFAULT_BATCH_SIZE = 10;
const DEFAULT_MAX_RETRIES = 3;

const newId = (): string => randomUUID().replaceAll('-', '');

function refused(status: 400 | 404 | 409, code: number, message: string): ApiError {
  return new ApiError(status, code, message);
}

function queueOf({ resources }: Platform, c: Context): Queue {
  const queue = resources.queue({ id: c.req.param('queue') ?? '' });
  if (queue) return queue;
  throw refused(404, CODES.queueNotFound, 'Queue not found. Please verify it exists and try again.');
}

const isProducer =
  ({ name }: Queue) =>
  (script: Script): boolean =>
    latestVersion(script).bindings.some((binding) => binding.type === 'queue' && binding.queue_name === name);

const consumerView = ({ name }: Queue, consumer: Consumer): object => ({
  ...{ consumer_id: consumer.id, type: 'worker', queue_name: name, created_on: consumer.createdOn },
  ...{ script: consumer.script, script_name: consumer.script },
  ...(consumer.deadLetterQueue !== undefined && { dead_letter_queue: consumer.deadLetterQueue }),
  settings: { batch_size: consumer.batchSize, max_retries: consumer.maxRetries },
});

/** A queue with exactly this consumer, or none. */
function withConsumer({ consumer: _, ...queue }: Queue, consumer?: Consumer): Queue {
  return { ...queue, ...(consumer && { consumer }) };
}

async function create({ resources, now }: Platform, name: string): Promise<Queue> {
  const made = { id: newId(), name, createdOn: new Date(now()).toISOString() };
  await resources.change(({ queues }) => {
    if (queues.some((known) => known.name === name))
      throw refused(409, CODES.queueNameTaken, `Queue name '${name}' is already taken.`);
    return { queues: [...queues, made] };
  });
  return made;
}

async function put({ resources, deliveries }: Platform, queue: Queue): Promise<Queue> {
  await resources.change(({ queues }) => ({
    queues: queues.map((known) => (known.id === queue.id ? queue : known)),
  }));
  deliveries.wake(queue.id);
  return queue;
}

function consumerOf(platform: Platform, text: string, known?: Consumer): Consumer {
  const wish = parseJson(NewConsumer, text, 'consumer');
  const script = platform.store.get(wish.script_name);
  if (!script) throw notFound();
  if (!latestVersion(script).handlers.includes('queue'))
    throw refused(400, CODES.queueHandlerMissing, `Queue handler is missing in ${wish.script_name}.`);
  return {
    ...{ id: known?.id ?? newId(), script: wish.script_name },
    createdOn: known?.createdOn ?? new Date(platform.now()).toISOString(),
    ...(wish.dead_letter_queue !== undefined && { deadLetterQueue: wish.dead_letter_queue }),
    batchSize: wish.settings?.batch_size ?? DEFAULT_BATCH_SIZE,
    maxRetries: wish.settings?.max_retries ?? DEFAULT_MAX_RETRIES,
  };
}

/** Queues, and the Workers that get their messages. */
export function queueRoutes(platform: Platform): Hono {
  const view = (queue: Queue): object => {
    const { id, name, createdOn, consumer } = queue;
    const producers = platform.store.all().filter(isProducer(queue));
    const consumers = consumer ? [consumerView(queue, consumer)] : [];
    return {
      ...{ queue_id: id, queue_name: name, created_on: createdOn, modified_on: createdOn },
      ...{ producers: producers.map(({ name: script }) => ({ type: 'worker', script })), consumers },
      ...{ producers_total_count: producers.length, consumers_total_count: consumers.length },
    };
  };
  return new Hono()
    .get('/', (c) => {
      const name = c.req.query('name');
      const wanted = platform.resources.queues.filter((queue) => name === undefined || queue.name === name);
      const { items, info } = pageOf(c, wanted.map(view));
      return ok(c, items, info);
    })
    .post('/', async (c) => {
      const { queue_name } = parseJson(NewQueue, await c.req.text(), 'queue');
      return ok(c, view(await create(platform, queue_name)));
    })
    .get('/:queue', (c) => ok(c, view(queueOf(platform, c))))
    .delete('/:queue', async (c) => {
      const queue = queueOf(platform, c);
      if (platform.store.all().some(isProducer(queue)))
        throw refused(400, CODES.queueInUse, `Queue '${queue.name}' is still used by a Worker's binding.`);
      await platform.resources.change(({ queues }) => ({
        queues: queues.filter(({ id }) => id !== queue.id),
      }));
      await platform.deliveries.forget(queue.id);
      return ok(c, null);
    })
    .route('/:queue/consumers', consumerRoutes(platform));
}

function consumerRoutes(platform: Platform): Hono {
  const known = (c: Context): { queue: Queue; consumer: Consumer } => {
    const queue = queueOf(platform, c);
    const { consumer } = queue;
    if (consumer === undefined || consumer.id !== c.req.param('consumer'))
      throw notFound('No such consumer.');
    return { queue, consumer };
  };
  return new Hono()
    .get('/', (c) => {
      const queue = queueOf(platform, c);
      return ok(c, queue.consumer ? [consumerView(queue, queue.consumer)] : []);
    })
    .post('/', async (c) => {
      const queue = queueOf(platform, c);
      if (queue.consumer) throw refused(400, CODES.consumerExists, 'workers.api.error.consumer_exists');
      const consumer = consumerOf(platform, await c.req.text());
      await put(platform, withConsumer(queue, consumer));
      return ok(c, consumerView(queue, consumer));
    })
    .put('/:consumer', async (c) => {
      const { queue, consumer: before } = known(c);
      const consumer = consumerOf(platform, await c.req.text(), before);
      await put(platform, withConsumer(queue, consumer));
      return ok(c, consumerView(queue, consumer));
    })
    .delete('/:consumer', async (c) => {
      await put(platform, withConsumer(known(c).queue));
      return ok(c, null);
    });
}
