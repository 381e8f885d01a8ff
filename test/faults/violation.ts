export const VIOLATIONS = ['lost', 'twice', 'two effects', 'stuck', 'order', 'damaged'] as const;

/** What must not be. */
export interface Violation {
  readonly kind: (typeof VIOLATIONS)[number];
  readonly what: string;
}
