const TEXT_CHARS_MAX = 200;

/** Why a connection or an answer did not come, in the system's own words; of several addresses the first one's. */
export function unreached(error: unknown, timeoutMs: number): string {
  if (error instanceof AggregateError) return unreached(error.errors[0], timeoutMs);
  if (error instanceof Error && error.name === 'AbortError') return `no answer within ${timeoutMs / 1_000} s`;
  return (error instanceof Error ? error.message : String(error)).slice(0, TEXT_CHARS_MAX);
}
