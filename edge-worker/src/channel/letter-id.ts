import { Failure, type LogName } from '@clawdbot/protocol';

/** A dead letter's place: which side holds it, and which entry of the other side's log it is. */
export interface LetterPlace {
  readonly orchestratorId: string;
  readonly side: 'edge' | 'orchestrator';
  readonly log: LogName;
  readonly logId: string;
  readonly seq: number;
}

const ID = /^dl_([a-z0-9-]{1,63})_(edge|orchestrator)_(control|queue)_([\w-]{8,64})_(\d{1,15})$/;

export const letterId = ({ orchestratorId, side, log, logId, seq }: LetterPlace): string =>
  `dl_${orchestratorId}_${side}_${log}_${logId}_${seq}`;

/** Throws `Failure('not_found')` when the text is no dead letter's id. */
export function letterPlace(id: string): LetterPlace {
  const [, orchestratorId, side, log, logId, seq] = ID.exec(id) ?? [];
  if (orchestratorId === undefined || logId === undefined) throw noLetter(id);
  return {
    orchestratorId,
    side: side === 'edge' ? 'edge' : 'orchestrator',
    log: log === 'queue' ? 'queue' : 'control',
    logId,
    seq: Number(seq),
  };
}

export const noLetter = (id: string): Failure => new Failure('not_found', `no dead letter "${id}"`);
