import type { z } from 'zod';
import { blob, cancel, credit, end, getStatus, request, response } from './calls.ts';
import { entry } from './entries.ts';
import { parcelPush, receiptAnswer } from './receipts.ts';
import { getSecret, secret } from './secrets.ts';
import { ack, drain, error, hello, join, joined, probe, resync, welcome } from './session.ts';
import { getStatusResult, status } from './status.ts';
import { getTally, tally } from './tally.ts';

/** Every frame the edge receives, by its `type`. */
export const FRAMES_TO_EDGE = {
  hello,
  join,
  probe,
  ack,
  drain,
  error,
  entry,
  response,
  end,
  cancel,
  credit,
  get_status_result: getStatusResult,
  blob,
  get_secret: getSecret,
  get_tally: getTally,
  receipt_answer: receiptAnswer,
  status,
} as const;

/** Every frame the orchestrator receives, by its `type`. */
export const FRAMES_TO_ORCHESTRATOR = {
  welcome,
  joined,
  resync,
  probe,
  ack,
  drain,
  error,
  entry,
  request,
  end,
  cancel,
  credit,
  get_status: getStatus,
  secret,
  tally,
  parcel: parcelPush,
} as const;

export const FRAMES = { edge: FRAMES_TO_EDGE, orchestrator: FRAMES_TO_ORCHESTRATOR } as const;

/** Which side receives. */
export type Receiver = keyof typeof FRAMES;
export type FrameToEdge = z.infer<(typeof FRAMES_TO_EDGE)[keyof typeof FRAMES_TO_EDGE]>;
export type FrameToOrchestrator = z.infer<
  (typeof FRAMES_TO_ORCHESTRATOR)[keyof typeof FRAMES_TO_ORCHESTRATOR]
>;

export * from './calls.ts';
export * from './entries.ts';
export * from './receipts.ts';
export * from './secrets.ts';
export * from './session.ts';
export * from './status.ts';
export * from './tally.ts';
