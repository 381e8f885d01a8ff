/** What the benchmark and the load generator's process say to each other. */
import { z } from 'zod';

export const job = z.object({
  /** On 127.0.0.1. */
  port: z.int(),
  /** The Host header, by which the edge tells its origins apart. */
  host: z.string(),
  /** The request's number is put behind it as `?n=`. */
  path: z.string(),
  /** Each request is a POST of so many bytes; a GET when there are none. */
  sendBytes: z.int().min(0),
  /** The reply's body when it is not the small one that names its request. */
  largeReplyBytes: z.int().optional(),
  connections: z.int().min(1),
  warmupMs: z.number(),
  measureMs: z.number(),
});
export type Job = z.infer<typeof job>;

export const measurement = z.object({
  /** Complete and correct replies within the measured time. */
  replies: z.int(),
  repliesPerS: z.number(),
  /** Correct replies of all the time, warm-up and last ones too. */
  served: z.int(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  /** Wrong, missing or crossed replies, those of the warm-up too. */
  errors: z.int(),
  /** The first of them, in words. */
  firstError: z.string().optional(),
});
export type Measurement = z.infer<typeof measurement>;
