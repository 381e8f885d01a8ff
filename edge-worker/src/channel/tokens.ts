import { CLOCK_TOLERANCE_S, Failure, type Sql } from '@clawdbot/protocol';
import type { ChannelClaims } from './claims.ts';

/**
 * Takes a token's `jti` once: a token that was overheard opens nothing. Remembered until the token would be
 * refused for its age anyway. Throws `Failure('token_replayed')` when it was used before.
 */
export function useToken(sql: Sql, { jti, exp }: ChannelClaims, nowMs: number): void {
  sql.run(`DELETE FROM used_tokens WHERE forget_at < ?`, nowMs);
  const forgetAt = (exp + CLOCK_TOLERANCE_S) * 1_000;
  const taken = sql.run(`INSERT OR IGNORE INTO used_tokens VALUES (?, ?) RETURNING jti`, jti, forgetAt);
  if (taken.length > 0) return;
  throw new Failure(
    'token_replayed',
    'this token was used before: sign a new one for each dial and each question',
  );
}
