import { z } from 'zod';
import { callId, receiptId } from '../ids.ts';
import { PARCEL_PUSH_BYTES_MAX, RECEIPT_ANSWER_BYTES_MAX } from '../limits.ts';

const base64Of = (bytesMax: number) => z.base64().max(Math.ceil(bytesMax / 3) * 4);

/**
 * Edge → orchestrator, best effort, before the `webhook` entry: a small parcel whose customer waits, so that it need not
 * be asked for. It is of use for a moment only; after that the edge must be asked.
 */
export const parcelPush = z.object({
  type: z.literal('parcel'),
  receiptId,
  data: base64Of(PARCEL_PUSH_BYTES_MAX),
});

/**
 * Orchestrator → edge, beside the durable `receipt`: what a customer who still waits may be told. The upstream's own
 * answer, if it is final and small enough, or nothing: it will not be delivered now. Answered by `end` when an answer
 * was handed on, which settles the receipt, and else by `error`: nobody waits.
 */
export const receiptAnswer = z.object({
  type: z.literal('receipt_answer'),
  id: callId,
  receiptId,
  attempts: z.int().min(0),
  answer: z
    .object({
      status: z.int().min(200).max(499),
      headers: z.array(z.tuple([z.string().min(1), z.string()])).max(500),
      body: base64Of(RECEIPT_ANSWER_BYTES_MAX).optional(),
    })
    .optional(),
});
export type ReceiptAnswer = z.infer<typeof receiptAnswer>;
