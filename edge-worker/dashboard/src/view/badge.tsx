import { Icon, type Shape } from './icon.tsx';

export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'quiet';

interface BadgeProps {
  readonly shape: Shape;
  readonly tone: Tone;
  readonly word: string;
}

/** A state by shape, colour and word, any one of which is enough. */
export const Badge = ({ shape, tone, word }: BadgeProps) => (
  <span className={`badge ${tone}`}>
    <Icon shape={shape} />
    {word}
  </span>
);
