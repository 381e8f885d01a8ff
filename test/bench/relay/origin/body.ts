/** The size that small replies of an API have: below it, what is measured is the way, not the bytes. */
export const BODY_BYTES = 200;

/** What the origin answers to request `n`: no other request's reply is the same, so a crossed one is found. */
export const bodyOf = (n: string): string => `reply ${n} `.padEnd(BODY_BYTES, 'x');
