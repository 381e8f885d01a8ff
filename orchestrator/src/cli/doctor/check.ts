/** One line of the doctor's report. `detail` says what was found, or what to do. */
export interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'not ok' | 'skipped';
  readonly detail: string;
}

/** A check's answer; a throw is "not ok", with its message. */
type Answer = string | { readonly skipped: string };
export interface Check {
  readonly name: string;
  readonly run: (signal: AbortSignal) => Promise<Answer>;
  /** What to do when it is not ok. */
  readonly advice: string;
  /** The checks after this one can say nothing new when it is not ok. */
  readonly gates?: boolean;
}

/** Why a check is not ok, when that has an advice of its own. */
export class Trouble extends Error {
  override readonly name = 'Trouble';
  readonly advice: string;

  constructor(message: string, advice: string) {
    super(message);
    this.advice = advice;
  }
}

const CHECK_TIMEOUT_MS = 12_000;

/** In a few words. */
export const why = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  // A connection that failed on all addresses has its reason in a code, and no message.
  return error.message === '' ? code : error.message;
};

async function find({ name, run, advice }: Check): Promise<Finding> {
  try {
    const answer = await run(AbortSignal.timeout(CHECK_TIMEOUT_MS));
    return typeof answer === 'string'
      ? { name, state: 'ok', detail: answer }
      : { name, state: 'skipped', detail: answer.skipped };
  } catch (error) {
    const own = error instanceof Trouble ? error.advice : advice;
    return { name, state: 'not ok', detail: `${why(error)}: ${own}` };
  }
}

/** Makes the checks one after the other; `tell` hears of each as it is known. */
export async function examine(
  checks: readonly Check[],
  tell: (finding: Finding) => void,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const check of checks) {
    const finding = await find(check);
    findings.push(finding);
    tell(finding);
    if (finding.state === 'not ok' && check.gates === true) break;
  }
  return findings;
}
