import type { CommandSummary } from '@clawdbot/protocol';
import type { Tone } from './badge.tsx';

export const COMMAND_TONES: Record<CommandSummary['state'], Tone> = {
  queued: 'quiet',
  delivered: 'busy',
  running: 'busy',
  succeeded: 'good',
  failed: 'bad',
  expired: 'warn',
  cancelled: 'quiet',
};

type About = Pick<CommandSummary, 'type' | 'subject'>;

/** What a command does, in words. Of commands that an older edge took, the subject may not be known. */
export function doing({ type, subject }: About): string {
  switch (type) {
    case 'deploy_worker':
      return subject === '' ? 'Deploy a Worker' : `Deploy ${subject}`;
    case 'rollback_worker':
      return subject === '' ? 'Roll a Worker back' : `Roll ${subject} back`;
    case 'adopt_worker':
      return subject === '' ? 'Take a Worker over' : `Take ${subject} over`;
    case 'update_config':
      return subject === '' ? 'Change the config' : `Config ${subject}`;
  }
}
