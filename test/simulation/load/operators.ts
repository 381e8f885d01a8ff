import type { DeployPayload, UpdateConfigPayload } from '@clawdbot/protocol';
import type { Answer } from '../../../edge-worker/src/channel/answer.ts';
import type { ChannelRpc, Taken } from '../../../edge-worker/src/channel/rpc.ts';
import type { EdgeMachine } from '../edge/machine.ts';
import { ORG } from '../orchestrator.ts';
import type { Trace } from '../trace.ts';
import type { World } from '../world.ts';

export const SITES = ['site-a', 'site-b', 'site-c'] as const;
/** Who asks. */
export const OPERATOR = 'operator';
const WORKERS = ['one', 'two', 'three'] as const;

/** The VPS allows its own upstreams only. */
const REFUSED = { routes: [{ path: '/', upstream: 'http://192.0.2.1:80' }] };

/** A question to the edge that is repeated, under its key, until it is answered. */
export interface Submission {
  readonly key: string;
  readonly siteId: string;
  readonly ask:
    | { readonly type: 'deploy_worker'; readonly payload: DeployPayload }
    | { readonly type: 'update_config'; readonly payload: UpdateConfigPayload };
  answer: Answer<Taken> | undefined;
  /** When the answer came. */
  answeredAt: number | undefined;
}

export interface OperatorsOptions {
  readonly world: World;
  readonly edge: EdgeMachine;
  readonly trace: Trace;
}

/** Operators: they deploy, edit configs and cancel, and repeat what was not answered. */
export class Operators {
  readonly submissions: Submission[] = [];
  /** Bodies of entries that somebody gave up. */
  readonly dropped = new Set<string>();
  readonly counts: Record<string, number> = { submissions: 0, repeated: 0, cancels: 0 };
  readonly #options: OperatorsOptions;
  #open = 0;

  constructor(options: OperatorsOptions) {
    this.#options = options;
  }

  async prepare(): Promise<void> {
    const { edge, world } = this.#options;
    const asked = SITES.map((site) =>
      edge.ask((object) => object.putSite(site, { paused: false, orgId: ORG })),
    );
    await world.pass(1_000);
    await Promise.all(asked);
  }

  /** So many acts, spread over so much time. */
  start(ms: number, acts: number): void {
    const { world } = this.#options;
    const { random } = world;
    for (let left = acts; left > 0; left--) world.after(random.int(0, ms), () => this.#act(), undefined);
  }

  /** Is everything answered? */
  get settled(): boolean {
    return this.#open === 0;
  }

  /** Asks for one more deployment, behind all that went wrong. */
  deployOnceMore(): void {
    this.#submit(this.#invent({ last: true }));
  }

  /** Has every dead letter handled once more. */
  replayLetters(): void {
    void this.#goThroughLetters(0);
  }

  #act(): void {
    const { random } = this.#options.world;
    const before = this.submissions.filter(({ answer }) => answer?.ok);
    const choice = random.next();
    if (choice < 0.1) void this.#goThroughLetters(0.2);
    else if (choice < 0.25 && before.length > 0) void this.#cancel(random.pick(before));
    else if (choice < 0.33 && this.submissions.length > 0) void this.#submit(random.pick(this.submissions));
    else for (let burst = random.chance(0.2) ? 3 : 1; burst > 0; burst--) void this.#submit(this.#invent());
  }

  /** Somebody goes through what could not be handled: it is tried once more, or given up. */
  async #goThroughLetters(givenUp: number): Promise<void> {
    const { world } = this.#options;
    const page = await this.#ask((object) => object.deadLetters(100));
    if (page === 'lost' || !page.answer.ok) return;
    for (const { id } of page.answer.value.items) {
      if (world.random.chance(givenUp)) await this.#drop(id);
      else await this.#replay(id);
    }
  }

  async #replay(id: string): Promise<void> {
    this.#options.trace.note(`replay ${id}`);
    this.#count('replayed letters');
    await this.#ask((object) => object.replayDeadLetter(id, OPERATOR));
  }

  async #drop(id: string): Promise<void> {
    this.#options.trace.note(`drop ${id}`);
    this.#count('dropped letters');
    const letter = await this.#ask((object) => object.deadLetter(id));
    if (letter === 'lost' || !letter.answer.ok) return;
    if (letter.answer.value.body !== undefined) this.dropped.add(letter.answer.value.body);
    await this.#ask((object) => object.dropDeadLetter(id, OPERATOR));
  }

  /** Asks the edge; until it is answered not all is settled. */
  async #ask<T>(question: (object: ChannelRpc) => Promise<T>): Promise<{ answer: T } | 'lost'> {
    this.#open++;
    try {
      return await this.#options.edge.ask(question);
    } finally {
      this.#open--;
    }
  }

  #invent({ last = false } = {}): Submission {
    const { random } = this.#options.world;
    const siteId = random.pick(SITES);
    const expiry = !last && random.chance(0.2) ? { expiresInMs: random.int(1_000, 120_000) } : {};
    const ask: Submission['ask'] =
      last || random.chance(0.5)
        ? {
            type: 'deploy_worker',
            payload: {
              name: random.pick(WORKERS),
              mainModule: 'index.js',
              modules: { 'index.js': `// ${random.int(1, 3)}` },
              compatibilityDate: '2026-11-01',
              ...expiry,
            },
          }
        : {
            type: 'update_config',
            payload: {
              base: this.#generation(siteId),
              patch: random.chance(0.1) ? REFUSED : { worker: { vars: { N: `${random.int(1, 9)}` } } },
              ...expiry,
            },
          };
    const submission = {
      key: `key-${this.submissions.length}`,
      siteId,
      ask,
      answer: undefined,
      answeredAt: undefined,
    };
    this.submissions.push(submission);
    this.#count('submissions');
    return submission;
  }

  /** What an operator who looked would base an edit on; now and then somebody was faster. */
  #generation(siteId: string): number {
    const { edge, world } = this.#options;
    const [row] = edge.storage.read(`SELECT generation FROM sites WHERE site_id = ?`, siteId);
    const known = Number(row?.['generation'] ?? 0);
    return world.random.chance(0.1) ? Math.max(0, known - 1) : known;
  }

  async #submit(submission: Submission): Promise<void> {
    const { trace, world } = this.#options;
    const { key, siteId, ask } = submission;
    trace.note(`submit ${key} ${ask.type} ${siteId}`);
    const answered = await this.#ask((object) => {
      const common = { siteId, idempotencyKey: key, actor: OPERATOR };
      return ask.type === 'deploy_worker'
        ? object.deploy({ ...common, payload: ask.payload })
        : object.updateConfig({ ...common, payload: ask.payload });
    });
    if (answered === 'lost') {
      this.#again(submission);
      return;
    }
    trace.note(`answer ${key} ${JSON.stringify(answered.answer)}`);
    if (submission.answer === undefined || changedNothing(submission.answer))
      submission.answer = answered.answer;
    submission.answeredAt ??= world.now;
    // Some change their mind while it runs.
    if (world.random.chance(0.1))
      world.after(world.random.int(10, 3_000), () => this.#cancel(submission), undefined);
  }

  /** Who got no answer asks again, under the same key. */
  #again(submission: Submission): void {
    const { world } = this.#options;
    this.#count('repeated');
    this.#open++;
    const act = () => {
      this.#open--;
      return this.#submit(submission);
    };
    world.after(world.random.int(100, 20_000), act, undefined);
  }

  async #cancel({ answer, key }: Submission): Promise<void> {
    if (!answer?.ok) return;
    this.#options.trace.note(`cancel ${key}`);
    this.#count('cancels');
    const { commandId } = answer.value;
    await this.#ask((object) => object.cancelCommand(commandId, OPERATOR));
  }

  #count(kind: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }
}

/** Such an edit has left no trace of its key: asked again, it may be one that changes something. */
const changedNothing = (answer: Answer<Taken>): boolean => answer.ok && answer.value.unchanged === true;
