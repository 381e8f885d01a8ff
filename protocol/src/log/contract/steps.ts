import fc from 'fast-check';

/** What may happen to a sender, a receiver and the wire between them, in any order. */
export type Step =
  | { readonly do: 'append' | 'append all'; readonly count: number }
  | { readonly do: 'deliver'; readonly how: 'keep' | 'take'; readonly powerCutAt?: number | undefined }
  | { readonly do: 'crash' | 'back up' | 'restore'; readonly side: Side }
  | { readonly do: Plain };
export type Side = 'sender' | 'receiver';
type Plain = (typeof PLAIN)[number];

const PLAIN = [
  'send',
  'duplicate',
  'acknowledge',
  'handle',
  'lose',
  'reconnect',
  'wait',
  'replay',
  'drop',
  'withdraw',
  'a day passes',
] as const;

const side = fc.constantFrom<Side>('sender', 'receiver');
const plain = (...what: Plain[]): fc.Arbitrary<Step> => fc.record({ do: fc.constantFrom(...what) });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('append' as const, 'append all' as const),
      count: fc.integer({ min: 1, max: 12 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('deliver' as const),
      how: fc.constantFrom('keep' as const, 'take' as const),
      powerCutAt: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined, freq: 4 }),
    }),
  },
  { weight: 5, arbitrary: plain('send') },
  { weight: 6, arbitrary: plain('acknowledge', 'handle') },
  { weight: 4, arbitrary: plain('duplicate', 'lose', 'reconnect', 'wait') },
  { weight: 4, arbitrary: plain('replay', 'drop', 'withdraw', 'a day passes') },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('crash' as const, 'back up' as const, 'restore' as const),
      side,
    }),
  },
);

/** A sender with lazy positions withdraws nothing. */
export const steps = (lazyPositions: boolean): fc.Arbitrary<Step[]> =>
  fc.array(lazyPositions ? step.filter((next) => next.do !== 'withdraw') : step, { maxLength: 80 });
