import { CLOCK_TOLERANCE_S, type Sql } from '@clawdbot/protocol';
import type { ChannelClaims } from './claims.ts';

/**
 * Takes a token's `jti` once: a token that was overheard opens nothing. Remembered until the token would be
 * refused for its age anyway.
 * @returns false when it was used before
 */
export function useToken(sql: Sql, { jti, exp }: ChannelClaims, nowMs: number): boolean {
  sql.run(`DELETE FROM used_tokens WHERE forget_at < ?`, nowMs);
  const forgetAt = (exp + CLOCK_TOLERANCE_S) * 1_000;
  return sql.run(`INSERT OR IGNORE INTO used_tokens VALUES (?, ?) RETURNING jti`, jti, forgetAt).length === 1;
}
