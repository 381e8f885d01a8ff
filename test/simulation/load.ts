import type { DeployPayload, UpdateConfigPayload } from '@clawdbot/protocol';
import type { Answer, Taken } from '../../edge-worker/src/channel/rpc.ts';
import type { EdgeMachine } from './edge/machine.ts';
import { ORG } from './orchestrator.ts';
import type { Trace } from './trace.ts';
import type { World } from './world.ts';

export const SITES = ['site-a', 'site-b', 'site-c'] as const;
const WORKERS = ['one', 'two', 'three'] as const;

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

export interface LoadOptions {
  readonly world: World;
  readonly edge: EdgeMachine;
  readonly trace: Trace;
}

/** Operators: they deploy, edit configs and cancel, and repeat what was not answered. */
export class Load {
  readonly submissions: Submission[] = [];
  readonly counts: Record<string, number> = { submissions: 0, repeated: 0, cancels: 0 };
  readonly #options: LoadOptions;
  #open = 0;
  #lookedAt = 0;

  constructor(options: LoadOptions) {
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

  start(ms: number): void {
    const { world } = this.#options;
    const { random } = world;
    for (let left = random.int(4, 24); left > 0; left--) {
      world.after(random.int(0, ms), () => this.#act(), undefined);
    }
  }

  /** Is everything answered and at its end? Looks at most once in two seconds of simulated time. */
  settled(): boolean {
    const { world, edge } = this.#options;
    if (this.#open > 0 || world.now < this.#lookedAt + 2_000) return false;
    this.#lookedAt = world.now;
    const [open] = edge.storage.read(
      `SELECT (SELECT COUNT(*) FROM commands WHERE state NOT IN ('succeeded', 'failed', 'expired', 'cancelled'))
        + (SELECT COUNT(*) FROM log_inbox WHERE state = 'pending')
        AS n`,
    );
    return open?.['n'] === 0;
  }

  #act(): void {
    const { random } = this.#options.world;
    const before = this.submissions.filter(({ answer }) => answer?.ok);
    if (before.length > 0 && random.chance(0.15)) this.#cancel(random.pick(before));
    else if (this.submissions.length > 0 && random.chance(0.1)) this.#submit(random.pick(this.submissions));
    else this.#submit(this.#invent());
  }

  #invent(): Submission {
    const { random } = this.#options.world;
    const siteId = random.pick(SITES);
    const expiry = random.chance(0.2) ? { expiresInMs: random.int(1_000, 120_000) } : {};
    const ask: Submission['ask'] = random.chance(0.5)
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
            patch: { worker: { vars: { N: `${random.int(1, 9)}` } } },
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
    const { edge, world, trace } = this.#options;
    const { key, siteId, ask } = submission;
    trace.note(`submit ${key} ${ask.type} ${siteId}`);
    this.#open++;
    const answered = await edge.ask((object) => {
      const common = { siteId, idempotencyKey: key, actor: 'operator' };
      return ask.type === 'deploy_worker'
        ? object.deploy({ ...common, payload: ask.payload })
        : object.updateConfig({ ...common, payload: ask.payload });
    });
    this.#open--;
    if (answered === 'lost') {
      this.#count('repeated');
      this.#open++;
      world.after(
        world.random.int(100, 20_000),
        () => {
          this.#open--;
          return this.#submit(submission);
        },
        undefined,
      );
      return;
    }
    trace.note(`answer ${key} ${JSON.stringify(answered.answer)}`);
    submission.answer ??= answered.answer;
    submission.answeredAt ??= world.now;
  }

  async #cancel({ answer, key }: Submission): Promise<void> {
    const { edge, trace } = this.#options;
    if (!answer?.ok) return;
    trace.note(`cancel ${key}`);
    this.#count('cancels');
    const { commandId } = answer.value;
    this.#open++;
    await edge.ask((object) => object.cancelCommand(commandId, 'operator'));
    this.#open--;
  }

  #count(kind: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }
}
