import type { Lead } from './lead.ts';
import { Refusal } from './refusal.ts';

/** Longer than the relay waits for an upstream before it answers 202 by itself (30 s, unless the route says more). */
const RELAY_DEADLINE_MS = 35_000;
const RETRY_AFTER_S = '5';
/** The relay counts by it how each version's leads go, and does not pass it on. */
const SENT_BY_HEADER = 'x-orchestrator-worker-version';

export interface RelayParts {
  readonly siteId: string;
  readonly relayUrl: string;
  /** This Worker's; '' when it is not told. */
  readonly version: string;
  readonly fetcher: typeof fetch;
}

/** What the page is told of a lead that the relay has. */
export interface Taken {
  readonly id: string;
  /** Of its receipt, if the relay says so, such as `stored`; else `taken`. */
  readonly state: string;
  readonly receiptId?: string;
}

/**
 * Gives a lead to the site's route at the relay, under its id as `Idempotency-Key`: a repeat gets the receipt of the first.
 * @param visitor the header that says whose it is, if any
 * Throws `Refusal` unless the relay has taken it: it is stored there, or the upstream has answered.
 */
export async function relayLead(
  lead: Lead,
  parts: RelayParts,
  visitor: Readonly<Record<string, string>>,
): Promise<{ status: 200 | 202; taken: Taken }> {
  const response = await send(lead, parts, visitor);
  const receiptId = response.headers.get('x-receipt-id') ?? undefined;
  if (!response.ok && receiptId === undefined) {
    await response.body?.cancel();
    const status = response.status === 503 || response.status === 429 ? 503 : 502;
    const retryAfter = response.headers.get('retry-after') ?? RETRY_AFTER_S;
    throw new Refusal(status, `the relay answered ${response.status}`, retryAfter);
  }
  const state = response.status === 202 ? await stateIn(response) : 'taken';
  if (response.status !== 202) await response.body?.cancel();
  const taken = { id: lead.id, state, ...(receiptId === undefined ? {} : { receiptId }) };
  return { status: response.status === 202 ? 202 : 200, taken };
}

async function send(
  lead: Lead,
  { siteId, relayUrl, version, fetcher }: RelayParts,
  visitor: Readonly<Record<string, string>>,
): Promise<Response> {
  try {
    return await fetcher(`${relayUrl}/s/${siteId}/webhooks/lead`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': lead.id,
        ...(version === '' ? {} : { [SENT_BY_HEADER]: version }),
        ...visitor,
      },
      body: JSON.stringify(lead),
      // A route may answer queued requests with a redirect of its own; that is no reason to follow it.
      redirect: 'manual',
      signal: AbortSignal.timeout(RELAY_DEADLINE_MS),
    });
  } catch {
    throw new Refusal(502, 'the relay could not be reached', RETRY_AFTER_S);
  }
}

/** Of the receipt; a route may have replaced its body with words of its own. */
async function stateIn(response: Response): Promise<string> {
  try {
    const { state } = (await response.json()) as { state?: unknown };
    return typeof state === 'string' ? state : 'taken';
  } catch {
    return 'taken';
  }
}
