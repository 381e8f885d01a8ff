import { Failure, type ProtocolError, type ReceiptAnswer } from '@clawdbot/protocol';
import type { Blobs } from './blobs.ts';
import type { Intake } from './intake.ts';
import type { Moves } from './move/moves.ts';
import type { Parcels } from './parcels.ts';
import { isOpen } from './receipt-row.ts';
import type { Receipts } from './receipts.ts';
import type { Secrets } from './secrets.ts';
import type { Tallies } from './tallies.ts';

/** Where a lane has what its orchestrator may ask of the edge (`Pulls` asks). */
export interface Supply {
  readonly blobs: Pick<Blobs, 'part'>;
  /** What receipts' customers sent. Rejects with `Failure('not_found')` once it is not to be delivered. */
  readonly parcels: Pick<Parcels, 'part'>;
  /** What customers of stored requests may be told. */
  readonly customers: {
    /** @returns whether one has waited, and was told */
    answered(answer: ReceiptAnswer): boolean;
  };
  /** Of sites that are here. */
  readonly secrets: Pick<Secrets, 'get'>;
  readonly tallies: Pick<Tallies, 'tally'>;
}

export interface SupplyParts extends Pick<Supply, 'blobs' | 'parcels' | 'secrets'> {
  readonly receipts: Pick<Receipts, 'get'>;
  readonly intake: Pick<Intake, 'answered'>;
  readonly moves: Pick<Moves, 'handOut' | 'reported'>;
  readonly tallies: Pick<Tallies, 'tally' | 'reported'>;
  readonly now: () => number;
}

/** Lane 0 has all of it. */
export const openSupply = (parts: SupplyParts): Supply => ({
  blobs: parts.blobs,
  parcels: { part: (receiptId, part) => parcelPart(parts, receiptId, part) },
  customers: { answered: (answer) => answered(parts, answer) },
  secrets: parts.secrets,
  tallies: parts.tallies,
});

/** Asked of a receipt that is settled, it says so: the orchestrator has nothing to deliver then. */
async function parcelPart(
  { receipts, moves, parcels }: SupplyParts,
  receiptId: string,
  part: number,
): Promise<Uint8Array> {
  const { state } = receipts.get(receiptId).receipt;
  if (!isOpen(state)) throw new Failure('not_found', `the request is ${state}: there is nothing to deliver`);
  moves.handOut(receiptId);
  return parcels.part(receiptId, part);
}

/** An answer that was handed on to its customer is a delivery. */
function answered({ intake, moves, tallies, now }: SupplyParts, told: ReceiptAnswer): boolean {
  if (!intake.answered(told)) return false;
  const { receiptId, attempts, answer } = told;
  const report = {
    ...({ type: 'receipt', receiptId, at: now(), attempts, state: 'delivered' } as const),
    ...(answer === undefined ? {} : { status: answer.status }),
  };
  moves.reported(report);
  tallies.reported(report);
  return true;
}

/**
 * Lanes beyond 0 keep nothing: how requests went there is all that they can tell.
 * @param foreign that something is lane 0's: whoever asks for it here does not know the protocol
 */
export const callSupply = (tallies: Supply['tallies'], foreign: (what: string) => ProtocolError): Supply => ({
  blobs: {
    part: () => {
      throw foreign('blob');
    },
  },
  parcels: { part: () => Promise.reject(foreign('a parcel')) },
  customers: {
    answered: () => {
      throw foreign('receipt_answer');
    },
  },
  // Without a close: a call that is refused is answered.
  secrets: { get: () => Promise.reject(new Failure('bad_request', 'secrets are asked for on lane 0')) },
  tallies,
});
