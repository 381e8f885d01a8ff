import {
  dotsFailure,
  Failure,
  matchRoute,
  pathOf,
  problemOf,
  type RequestHead,
  type Route,
  type SiteConfig,
} from '@clawdbot/protocol';
import type { Agent } from 'undici';
import type { CallBody, Reply } from '../calls/index.ts';
import type { Logger } from '../log.ts';
import type { UpstreamAllow } from './allow.ts';
import { createAgent, exchange } from './exchange.ts';
import { toUpstream } from './headers.ts';
import { createLookup, type Resolve } from './lookup.ts';

/** One request of a customer, or of an admin for this orchestrator. */
export interface RelayedCall {
  readonly head: RequestHead;
  readonly body: CallBody;
  /** Aborted when nobody waits any more: the deadline has passed, the customer has left, the socket is gone. */
  readonly signal: AbortSignal;
}

/** Answers requests that are for the orchestrator itself, in this process. */
export type SelfCall = (call: RelayedCall) => Promise<Reply & { readonly body: Uint8Array | null }>;

export interface RelayOptions {
  readonly settings: { configOf(siteId: string): SiteConfig | undefined };
  readonly allow: UpstreamAllow;
  /** Resolves upstreams' names; the system does when there is none. */
  readonly resolve?: Resolve;
  readonly self: SelfCall;
  readonly log: Logger;
}

export interface Relay {
  /**
   * Passes a request on and answers with the reply, its body whole or still coming. What the site's config does not provide for is
   * answered as a problem (404, 405); a request that got no answer rejects with a `Failure` whose `execution`
   * says whether it may have been carried out.
   */
  handle(call: RelayedCall): Promise<Reply>;
  /** Ends the connections to the upstreams; requests under way fail. */
  close(): Promise<void>;
}

interface Target {
  readonly origin: string;
  /** The upstream's own path, without a slash at its end. */
  readonly prefix: string;
}

export const createRelay = (options: RelayOptions): Relay => new UpstreamRelay(options);

class UpstreamRelay implements Relay {
  readonly #options: RelayOptions;
  readonly #agent: Agent;
  readonly #targets = new WeakMap<Route, Target>();

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#agent = createAgent(createLookup(options.allow, options.resolve));
  }

  async handle(call: RelayedCall): Promise<Reply> {
    const { log } = this.#options;
    const { requestId, siteId, method, target } = call.head;
    try {
      const reply = await (target === 'upstream' ? this.#toSite(call) : this.#toSelf(call));
      log.debug('relayed', { requestId, siteId, target, method, status: reply.status });
      return reply;
    } catch (error) {
      const known = error instanceof Failure ? { code: error.code, reason: error.message } : { error };
      log.warn('not relayed', { requestId, siteId, target, method, ...known });
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  #toSelf(call: RelayedCall): Promise<Reply> {
    return this.#options.self(call);
  }

  async #toSite(call: RelayedCall): Promise<Reply> {
    const { head, body } = call;
    const { method, url, deadlineMs } = head;
    const route = routeOf(this.#options.settings.configOf(head.siteId ?? '')?.routes ?? [], head);
    if (!('upstream' in route)) return route;
    const { origin, prefix } = this.#targetOf(route);
    const request = { origin, path: prefix + url, method, headers: toUpstream(head), body };
    const { timeoutMs = deadlineMs } = route;
    // The call's own signal ends at its deadline; a timer of ours is for a route that is stricter.
    const stricter = timeoutMs < deadlineMs ? { timeoutMs } : {};
    return exchange(this.#agent, { ...request, ...stricter }, call.signal);
  }

  /** Checked here too: the list may have been narrowed since the config was applied. */
  #targetOf(route: Route): Target {
    const known = this.#targets.get(route);
    if (known !== undefined) return known;
    if (!this.#options.allow.allows(route.upstream)) {
      const message = `route ${route.path}: its upstream is not allowed on this VPS any more (UPSTREAM_ALLOW)`;
      throw new Failure('upstream_failed', message, { execution: 'not_started' });
    }
    const { origin } = new URL(route.upstream);
    const prefix = (/^https?:\/\/[^/]+(\/.*)?$/.exec(route.upstream)?.[1] ?? '').replace(/\/$/, '');
    this.#targets.set(route, { origin, prefix });
    return { origin, prefix };
  }
}

/** The request's route, or the answer that there is none. */
function routeOf(routes: readonly Route[], { method, url, requestId }: RequestHead): Route | Reply {
  const path = pathOf(url);
  const dots = dotsFailure(path);
  if (dots !== undefined) return refuse(dots, requestId);
  const route = matchRoute(routes, method, path);
  if (route !== undefined) return route;
  const methods = allowedMethods(routes, path);
  if (methods.length === 0) {
    return refuse(new Failure('not_found', 'no route of this site covers this path'), requestId);
  }
  const failure = new Failure('method_not_allowed', `this path takes ${methods.join(', ')}`);
  return refuse(failure, requestId, [['allow', methods.join(', ')]]);
}

/** Methods of the routes that cover the path, when none of them takes the request's own. */
function allowedMethods(routes: readonly Route[], path: string): string[] {
  const covering = routes.filter(
    (route) => matchRoute([route], route.methods?.[0] ?? 'GET', path) !== undefined,
  );
  return [...new Set(covering.flatMap(({ methods }) => methods ?? []))];
}

function refuse(failure: Failure, requestId: string, headers: [string, string][] = []): Reply {
  return {
    status: failure.status,
    headers: [['content-type', 'application/problem+json'], ...headers],
    body: new TextEncoder().encode(JSON.stringify(problemOf(failure, requestId))),
  };
}
