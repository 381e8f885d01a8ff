/** Shapes that differ without their colour, on a field of 16 by 16. */
const SHAPES = {
  /** Filled disc with a tick. */
  online: (
    <>
      <circle className="disc" cx="8" cy="8" r="6" />
      <path className="tick" d="m5 8.3 2.2 2.2L11 6" />
    </>
  ),
  /** Half a disc. */
  draining: (
    <>
      <circle cx="8" cy="8" r="5.8" />
      <path className="fill" d="M8 2.2a5.8 5.8 0 0 1 0 11.6Z" />
    </>
  ),
  /** Triangle with an exclamation mark. */
  away: <path d="M8 2 1.5 13.5h13ZM8 6.4v3.2m0 1.9v.1" />,
  /** Dashed ring. */
  never: <circle cx="8" cy="8" r="5.8" strokeDasharray="2.4 2.1" />,
  queued: <path d="M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2ZM8 5v3.2l2 1.4" />,
  delivered: <path d="M2 8h10M8.5 4.2 12.3 8l-3.8 3.8M14 3v10" />,
  running: <path className="turns" d="M8 2.2A5.8 5.8 0 1 1 2.2 8" />,
  succeeded: <path d="m2.8 8.6 3.4 3.4 7-7.6" />,
  failed: <path d="m3.5 3.5 9 9m0-9-9 9" />,
  expired: <path d="M4 2h8M4 14h8M5 2v2.5L8 8l3-3.5V2M5 14v-2.5L8 8l3 3.5V14" />,
  cancelled: (
    <>
      <circle cx="8" cy="8" r="5.8" />
      <path d="m4 12 8-8" />
    </>
  ),
  live: <path d="M1.5 8h3l2-5 3 10 2-5h3" />,
  waiting: <path d="M13.5 8A5.5 5.5 0 1 1 12 4.2M13.8 2v3h-3" />,
  connecting: <path className="turns" d="M8 2.2A5.8 5.8 0 1 1 2.2 8" />,
} as const;

export type Shape = keyof typeof SHAPES;

/** Beside a word that says the same, hence hidden from screen readers. */
export const Icon = ({ shape }: { readonly shape: Shape }) => (
  <svg className="icon" viewBox="0 0 16 16" aria-hidden="true">
    {SHAPES[shape]}
  </svg>
);
