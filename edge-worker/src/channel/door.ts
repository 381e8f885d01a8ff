import {
  CALL_DEADLINE_MS,
  Failure,
  QUEUE_BODY_BYTES_MAX,
  RELAY_BODY_BYTES_MAX,
  type Route,
} from '@clawdbot/protocol';
import { wholeOf } from '../body.ts';
import { within } from '../deadline.ts';
import type { Configs } from './configs.ts';
import { preflightFor, preflightReply, withCors } from './cors.ts';
import type { Intake } from './intake.ts';
import type { Lane } from './lane.ts';
import type { RelayCall, RelayReply, SiteCall } from './rpc.ts';
import type { RunningRoutes } from './running.ts';
import type { Stale } from './stale.ts';

export interface DoorParts {
  readonly configs: Pick<Configs, 'site'>;
  readonly routes: RunningRoutes;
  readonly intake: Pick<Intake, 'take'>;
  readonly stale: Pick<Stale, 'relay'>;
  readonly lane: Pick<Lane, 'relay'>;
  /** Counts the request. Throws `Failure('rate_limited')`. */
  readonly quota?: { admit(call: SiteCall): void | Promise<void> };
  /** Asked of routes with `verify`, with the body whole. Throws `Failure('unauthorized')`. */
  readonly signature?: { verify(call: SiteCall, route: Route, body: Uint8Array | null): Promise<void> };
}

/** Where a customer's request enters the object: its route is found once, and decides what becomes of it. */
export class Door {
  readonly #parts: DoorParts;

  constructor(parts: DoorParts) {
    this.#parts = parts;
  }

  relay(call: RelayCall): Promise<RelayReply> {
    return isOfSite(call) ? this.#ofSite(call) : this.#passOn(call);
  }

  async #ofSite(call: SiteCall): Promise<RelayReply> {
    const { configs, quota } = this.#parts;
    if (configs.site(call.siteId).paused)
      throw new Failure('site_paused', 'this site is paused', { retryAfterMs: 60_000 });
    const asked = preflightFor(call);
    const preflighted = asked === undefined ? undefined : this.#routeOf(call, asked);
    if (preflighted?.cors !== undefined) return preflightReply(call, preflighted);
    await quota?.admit(call);
    const route = this.#routeOf(call, call.method);
    // Which answer there is to a request that no route takes, the orchestrator says.
    return route === undefined
      ? this.#passOn(call)
      : withCors(call, route, await this.#byRoute(await this.#verified(call, route), route));
  }

  #byRoute(call: SiteCall, route: Route): Promise<RelayReply> {
    switch (route.offline) {
      case 'queue':
        return this.#queue(call, route);
      case 'stale':
        return this.#parts.stale.relay(call, () => this.#passOn(call));
      case 'unavailable':
        return this.#passOn(call);
    }
  }

  async #queue(call: SiteCall, route: Route): Promise<RelayReply> {
    const body = await whole(call);
    return this.#parts.intake.take(call, call.siteId, route, body);
  }

  async #passOn(call: RelayCall): Promise<RelayReply> {
    if (call.body !== null && call.body.length > RELAY_BODY_BYTES_MAX) throw tooLarge();
    return this.#parts.lane.relay(call);
  }

  #routeOf({ siteId, url }: SiteCall, method: string): Route | undefined {
    return this.#parts.routes.find(siteId, method, url.split('?', 1)[0] ?? url);
  }

  /** @returns the call, whose body is read by now if that was needed */
  async #verified(call: SiteCall, route: Route): Promise<SiteCall> {
    const { signature } = this.#parts;
    if (signature === undefined || route.verify === undefined) return call;
    const body = await whole(call);
    await signature.verify(call, route, body);
    return { ...call, body };
  }
}

const isOfSite = (call: RelayCall): call is SiteCall => call.siteId !== undefined;

/** Throws `Failure('too_large')`. */
const whole = ({ body }: SiteCall): Promise<Uint8Array | null> =>
  within(CALL_DEADLINE_MS, wholeOf(body, QUEUE_BODY_BYTES_MAX), slow);

const slow = () =>
  new Failure('deadline_exceeded', 'the body did not arrive in time', { execution: 'not_started' });

const tooLarge = () => new Failure('too_large', 'the body is larger than is taken here');
