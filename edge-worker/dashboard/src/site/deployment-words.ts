import type { CommandState, Deployment } from '@clawdbot/protocol';
import type { Step, SteppedDeployment } from './reads.ts';

const PROOFS: Record<NonNullable<Deployment['proof']>, string> = {
  observed: 'observed: it answered with its own version',
  reachable: 'reachable: it answers',
  accepted: 'accepted: not seen yet',
};

/** The milestones of a deployment (ARCHITECTURE.md, "A command"), as what goes on since. */
const STEPS: Readonly<Record<string, string>> = {
  validated: 'is being uploaded',
  uploaded: 'is uploaded, and gets its first visitors',
  deployed: 'has all traffic, and is being proven',
  found: 'is found, and gets the traffic',
  undoing: 'is being taken back',
  'undoing waits': 'is being taken back, and waits for Cloudflare',
};

/** How far a deployment that goes on is: "10 % of the traffic, baking". */
function stepWords({ step, percentage }: Pick<SteppedDeployment, 'step' | 'percentage'>): string {
  const share = percentage === undefined ? undefined : `${percentage} % of the traffic`;
  if (step === undefined) return share ?? 'has begun';
  switch (step.milestone) {
    case 'shifted':
      return `${share ?? step.detail ?? ''}, baking`;
    case 'healthy':
      return `healthy ${step.detail ?? ''}`;
    default:
      return withDetail(STEPS[step.milestone] ?? step.milestone, step);
  }
}

const withDetail = (words: string, { milestone, detail }: Step): string =>
  detail === undefined || milestone === 'uploaded' ? words : `${words} (${detail})`;

const WORDS: Record<Deployment['type'], Readonly<Partial<Record<CommandState, string>>>> = {
  deploy_worker: { succeeded: 'deployed', failed: 'not deployed' },
  rollback_worker: { succeeded: 'rolled back', failed: 'not rolled back' },
  adopt_worker: { succeeded: 'taken over', failed: 'not taken over' },
};

export const stateWord = ({ type, state }: Pick<Deployment, 'type' | 'state'>): string =>
  WORDS[type][state] ?? state;

/** How far it was seen, how far it is, or why it came to nothing. */
export function outcome(item: SteppedDeployment): string {
  switch (item.state) {
    case 'queued':
      return 'waits for the orchestrator';
    case 'delivered':
      return 'the orchestrator has it, and begins when what is before it has ended';
    case 'running':
      return stepWords(item);
    case 'succeeded':
      return item.proof === undefined ? 'done' : PROOFS[item.proof];
    case 'failed':
    case 'expired':
    case 'cancelled':
      return item.error ?? item.reason ?? 'no reason was told';
  }
}
