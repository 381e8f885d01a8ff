import { commandTaken, siteConfigState } from '@clawdbot/protocol';
import { eventually } from '../eventually.ts';
import { DEMO } from '../sandbox/seed/tenants.ts';
import type { Ledger, Submission } from './ledger.ts';
import { type Operation, SITES } from './plan.ts';
import type { Answer, Rig } from './rig.ts';

/** Callers at a time. */
const CALLERS = 4;
/** A caller asks again until it has an answer: no fault lasts this long. */
const TAKEN_WITHIN_MS = 60_000;

/** Every so manieth command is sent once more after its answer. */
const REPEATED = 3;

/** A customer's request and a call are answered whatever happens, with one of these at worst. */
const HONEST = new Set([200, 502, 503, 504]);

/** Whoever gives the system something to do: each caller one operation after the other. */
export class Load {
  readonly #rig: Rig;
  readonly #ledger: Ledger;
  readonly #round: number;
  readonly #left: Operation[];
  #given = 0;
  /** An edit says what it is based on, so those of a site come one after the other. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(rig: Rig, ledger: Ledger, round: number, operations: readonly Operation[]) {
    this.#rig = rig;
    this.#ledger = ledger;
    this.#round = round;
    this.#left = [...operations];
  }

  /** Rejects when an operation is not answered in time. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: CALLERS }, () => this.#call()));
  }

  async #call(): Promise<void> {
    for (let next = this.#left.shift(); next !== undefined; next = this.#left.shift()) await this.#do(next);
  }

  async #do(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'deploy':
        return this.#deploy(operation.name, operation.cancel);
      case 'edit':
        return this.#edit(operation.site);
      case 'row':
        return this.#write(operation.key);
      case 'status':
        return this.#status();
      case 'request':
        return this.#request();
      default:
        operation satisfies never;
    }
  }

  async #deploy(name: string, cancel: boolean): Promise<void> {
    const submission = this.#submission(
      'deploy_worker',
      SITES[0],
      (key) => ({
        name,
        mainModule: 'main.js',
        modules: { 'main.js': `export default { fetch: () => new Response('${key}') };` },
        compatibilityDate: '2026-01-01',
      }),
      { name, editsBefore: this.#ledger.edits.get(SITES[0])?.length ?? 0 },
    );
    await this.#submit(submission);
    if (cancel && submission.taken !== undefined) await this.#cancel(submission.taken.commandId);
  }

  /** A command that has ended before is a 409. */
  async #cancel(id: string): Promise<void> {
    const ask = () => this.#rig.api(`/api/v1/commands/${id}/cancel`, {});
    const { status, json } = await this.#answer(`the cancel of ${id}`, ask);
    if (status !== 200 && status !== 409) this.#refused(`the cancel of ${id}`, status, json);
  }

  #edit(site: string): Promise<void> {
    const turn = (this.#turns.get(site) ?? Promise.resolve()).then(() => this.#editNow(site));
    this.#turns.set(site, turn);
    return turn;
  }

  async #editNow(site: string): Promise<void> {
    const { json } = await this.#answer('a config', () => this.#rig.api(`/api/v1/sites/${site}/config`));
    const { generation } = siteConfigState.parse(json);
    const submission = this.#submission('update_config', site, (key) => ({
      base: generation,
      config: { routes: [], worker: { vars: { EDIT: key } } },
    }));
    await this.#submit(submission);
    if (submission.taken !== undefined)
      this.#ledger.edits.set(site, [...(this.#ledger.edits.get(site) ?? []), submission]);
  }

  /** As the existing API does: in D1, past the edge; then it says so, as far as it can. */
  async #write(key: string): Promise<void> {
    this.#given += 1;
    const params = [key, DEMO.orgId, `round-${this.#round}-${this.#given}`];
    const sql = `INSERT INTO customers (id, agency_id, name) VALUES (?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET name = excluded.name`;
    const write = () => this.#rig.database.batch([{ sql, params }]);
    await eventually('the row is written', write, () => true, TAKEN_WITHIN_MS);
    await this.#rig.nudge();
  }

  #submission(
    action: Submission['action'],
    siteId: string,
    payload: (key: string) => unknown,
    more: Pick<Submission, 'name' | 'editsBefore'> = {},
  ): Submission {
    this.#given += 1;
    const key = `round-${this.#round}-${this.#given}`;
    const made: Submission = { key, action, siteId, payload: payload(key), ...more, sent: 0 };
    this.#ledger.submissions.push(made);
    return made;
  }

  /** Sent until it is answered, each time under the same key. */
  async #submit(submission: Submission): Promise<void> {
    const { action, payload, siteId, key } = submission;
    const ask = () => {
      submission.sent += 1;
      return this.#rig.api('/api/v1/orchestrator', { action, payload, siteId }, { 'idempotency-key': key });
    };
    const again = this.#given % REPEATED === 0;
    await this.#take(submission, ask);
    // As whoever has lost the answer, also when no fault has taken it away.
    if (again) await this.#take(submission, ask);
  }

  async #take(submission: Submission, ask: () => Promise<Answer>): Promise<void> {
    const { status, json } = await this.#answer(submission.key, ask);
    const what = `${submission.key}, sent ${submission.sent} times,`;
    if (status !== 202) return this.#refused(what, status, json, submission.sent > 1);
    const taken = commandTaken.parse(json.data);
    const before = submission.taken?.commandId ?? taken.commandId;
    if (taken.commandId !== before)
      this.#ledger.strange.push({ kind: 'twice', what: `${what} is ${before} and ${taken.commandId}` });
    submission.taken ??= taken;
  }

  /** Asks until somebody answers who does not say "later". Rejects when nobody does. */
  #answer(what: string, ask: () => Promise<Answer>): Promise<Answer> {
    const isAnswer = ({ status }: Answer) => status < 500 && status !== 429;
    return eventually(`${what} is answered`, ask, isAnswer, TAKEN_WITHIN_MS);
  }

  /** Nothing here is asked that may be refused; a repeat that is refused was not known for one. */
  #refused(what: string, status: number, json: unknown, isRepeat = false): void {
    const said = `${what} was answered ${status}: ${JSON.stringify(json)}`;
    this.#ledger.strange.push({ kind: isRepeat ? 'twice' : 'order', what: said });
  }

  async #status(): Promise<void> {
    const body = { action: 'get_status', payload: {}, siteId: SITES[0] };
    await this.#honest('get_status', async () => (await this.#rig.api('/api/v1/orchestrator', body)).status);
  }

  #request(): Promise<void> {
    return this.#honest('a request', () => this.#rig.request('/echo'));
  }

  /** An edge that is dead answers nobody; one that lives answers honestly. */
  async #honest(what: string, ask: () => Promise<number>): Promise<void> {
    const status = await ask().catch(() => undefined);
    if (status !== undefined && !HONEST.has(status))
      this.#ledger.strange.push({ kind: 'order', what: `${what} was answered ${status}` });
  }
}
