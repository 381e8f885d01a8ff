/** The size that small replies of an API have: below it, what is measured is the way, not the bytes. */
export const BODY_BYTES = 200;

/** What it answers below `…/large`. */
export const LARGE_BYTES = 10 * 1024 * 1024;

/** What the origin answers to request `n`: no other request's reply is the same, so a crossed one is found. */
export const bodyOf = (n: string): string => `reply ${n} `.padEnd(BODY_BYTES, 'x');
