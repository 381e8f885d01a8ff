import type { Presence } from '@clawdbot/protocol';
import type { Tone } from './badge.tsx';

export const ORCHESTRATOR_TONES: Record<Presence['state'], Tone> = {
  online: 'good',
  draining: 'warn',
  away: 'bad',
  never: 'quiet',
};

export const ORCHESTRATOR_WORDS: Record<Presence['state'], string> = {
  online: 'Online',
  draining: 'Draining',
  away: 'Away',
  never: 'Never connected',
};
