import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { orchestratorId, receiptId, siteId, timeMs } from '../../ids.ts';
import {
  erasedReceipts,
  eraseReceipts,
  listOf,
  listQuery,
  receipt,
  receiptDetail,
  receiptState,
} from '../resources.ts';
import { answer, bodyOf, refused, security } from './parts.ts';

const time = z.coerce.number<string>().pipe(timeMs);
const receiptFilter = listQuery
  .extend({
    orchestrator: orchestratorId.optional(),
    site: siteId.optional(),
    state: receiptState.optional(),
    /** Received at or after this, and before that: milliseconds since the epoch. */
    from: time.optional(),
    to: time.optional(),
    /** The URL begins with this. */
    path: z.string().startsWith('/').max(500).optional(),
    /** Stands in the URL, a header or the body. */
    q: z.string().min(3).max(500).optional(),
  })
  .strict();
export type ReceiptFilter = z.infer<typeof receiptFilter>;

export const listReceiptsRoute = createRoute({
  method: 'get',
  path: '/receipts',
  description:
    'By orchestrator, newest first. With path or q each stored request is looked into, so that a page may hold few or none and yet have a `next`.',
  security,
  request: { query: receiptFilter },
  responses: { 200: answer(listOf(receipt), 'Receipts of stored requests'), default: refused },
});

const receiptParams = z.object({ id: receiptId });

export const getReceiptRoute = createRoute({
  method: 'get',
  path: '/receipts/{id}',
  security,
  request: { params: receiptParams },
  responses: { 200: answer(receiptDetail, 'The receipt with its history'), default: refused },
});

export const redeliverReceiptRoute = createRoute({
  method: 'post',
  path: '/receipts/{id}/redeliver',
  description: 'Delivers again what was delivered, is dead or has expired, with the same Idempotency-Key.',
  security,
  request: { params: receiptParams },
  responses: { 202: answer(receipt, 'It is stored again'), default: refused },
});

export const eraseReceiptRoute = createRoute({
  method: 'post',
  path: '/receipts/{id}/erase',
  description: 'Nothing of what the customer sent is left; the receipt stays as a tombstone.',
  security,
  request: { params: receiptParams },
  responses: { 200: answer(receipt, 'The tombstone'), default: refused },
});

export const eraseReceiptsRoute = createRoute({
  method: 'post',
  path: '/receipts/erase',
  security,
  request: { body: bodyOf(eraseReceipts) },
  responses: { 200: answer(erasedReceipts, 'How many, and where to go on'), default: refused },
});
