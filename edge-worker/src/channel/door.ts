import {
  CALL_DEADLINE_MS,
  dotsFailure,
  Failure,
  type Limits,
  pathOf,
  QUEUE_BODY_BYTES_MAX,
  type Route,
} from '@clawdbot/protocol';
import { wholeOf } from '../body.ts';
import { within } from '../deadline.ts';
import type { Signatures } from '../signature/signatures.ts';
import type { Visitors } from '../signature/visitors.ts';
import type { Configs } from './configs.ts';
import { preflightFor, preflightReply, throwWithCors, withCors } from './cors.ts';
import type { Intake } from './intake.ts';
import type { Lane } from './lane.ts';
import type { Quota } from './quota.ts';
import type { RelayCall, RelayReply, SiteCall } from './relay-rpc.ts';
import type { RunningRoutes } from './running.ts';
import type { Stale } from './stale.ts';

export interface DoorParts {
  readonly configs: Pick<Configs, 'site'>;
  readonly routes: RunningRoutes;
  readonly intake: Pick<Intake, 'take'>;
  readonly stale: Pick<Stale, 'relay'>;
  readonly lane: Pick<Lane, 'relay'>;
  readonly quota: Pick<Quota, 'take'>;
  readonly signatures: Pick<Signatures, 'check'>;
  readonly visitors: Pick<Visitors, 'addressIn'>;
}

/** Where a customer's request enters the object: its route is found once, and decides what becomes of it. */
export class Door {
  readonly #parts: DoorParts;
  /** Of bodies that still come. */
  #readBytes = 0;

  constructor(parts: DoorParts) {
    this.#parts = parts;
  }

  relay(call: RelayCall): Promise<RelayReply> {
    return isOfSite(call) ? this.#ofSite(call) : this.#passOn(call);
  }

  async #ofSite(call: SiteCall): Promise<RelayReply> {
    const { paused, config } = this.#parts.configs.site(call.siteId);
    if (paused) throw new Failure('site_paused', 'this site is paused', { retryAfterMs: 60_000 });
    const asked = preflightFor(call);
    const preflighted = asked === undefined ? undefined : this.#routeOf(call, asked);
    if (preflighted?.cors !== undefined) return preflightReply(call, preflighted);
    const route = this.#routeOf(call, call.method);
    if (route?.cors === undefined) return this.#within(config.limits, call, route);
    try {
      return withCors(call, route, await this.#within(config.limits, call, route));
    } catch (thrown) {
      throwWithCors(call, route, thrown);
    }
  }

  async #within(limits: Limits | undefined, call: SiteCall, route: Route | undefined): Promise<RelayReply> {
    const { visitor, siteId } = call;
    const secretRef = limits?.customer?.secretRef;
    const address =
      visitor === undefined || secretRef === undefined
        ? undefined
        : await this.#parts.visitors.addressIn(visitor, siteId, secretRef);
    this.#parts.quota.take(siteId, limits, call.headers, address);
    // Which answer there is to a request that no route takes, the orchestrator says.
    return route === undefined ? this.#passOn(call) : this.#verifiedByRoute(call, route);
  }

  /** By itself, so that what was read of the request is nobody's while its customer waits. */
  async #verifiedByRoute(call: SiteCall, route: Route): Promise<RelayReply> {
    return this.#byRoute(await this.#verified(call, route), route);
  }

  #byRoute(call: SiteCall, route: Route): Promise<RelayReply> {
    switch (route.offline) {
      case 'queue':
        return this.#queue(call, route);
      case 'stale':
        return this.#parts.stale.relay(call, () => this.#passOn(call, route));
      case 'unavailable':
        return this.#passOn(call, route);
    }
  }

  async #queue(call: SiteCall, route: Route): Promise<RelayReply> {
    // The orchestrator would refuse it for ever: it is not to be stored.
    const refusal = dotsFailure(pathOf(call.url));
    if (refusal !== undefined) throw refusal;
    const body = await this.#whole(call);
    return this.#parts.intake.take(call, call.siteId, route, body);
  }

  #passOn(call: RelayCall, route?: Route): Promise<RelayReply> {
    return this.#parts.lane.relay(call, route?.timeoutMs);
  }

  #routeOf({ siteId, url }: SiteCall, method: string): Route | undefined {
    return this.#parts.routes.find(siteId, method, pathOf(url));
  }

  /** @returns the call, whose body is read by now if that was needed */
  async #verified(call: SiteCall, route: Route): Promise<SiteCall> {
    if (route.verify === undefined) return call;
    const body = await this.#whole(call);
    await this.#parts.signatures.check(call.siteId, route, { headers: call.headers, body });
    return { ...call, body };
  }

  /** Throws `Failure`: `too_large`, `overloaded`, `deadline_exceeded`. */
  #whole({ body, bodyLength = 0 }: SiteCall): Promise<Uint8Array | null> {
    // Said as soon as it is known: who waits for that does not send it.
    if (bodyLength > QUEUE_BODY_BYTES_MAX) throw tooLarge();
    let read = 0;
    const reading = wholeOf(body, QUEUE_BODY_BYTES_MAX, (bytes) => {
      if (this.#readBytes + bytes > READ_BYTES_MAX) throw tooMuch();
      this.#readBytes += bytes;
      read += bytes;
    }).finally(() => {
      this.#readBytes -= read;
    });
    return within(CALL_DEADLINE_MS, reading.catch(brokeOff), slow);
  }
}

/**
 * What outsiders may keep in this object's memory of 128 MB by sending slowly. A body of at most 64 KiB is not among it:
 * the Worker has read that before.
 */
const READ_BYTES_MAX = 2 * QUEUE_BODY_BYTES_MAX;

const isOfSite = (call: RelayCall): call is SiteCall => call.siteId !== undefined;

const slow = () =>
  new Failure('deadline_exceeded', 'the body did not arrive in time', { execution: 'not_started' });

/** The customer's doing, whatever the stream says of it. */
function brokeOff(thrown: unknown): never {
  if (thrown instanceof Failure) throw thrown;
  throw new Failure('bad_request', 'the body broke off before its end', { execution: 'not_started' });
}

const tooLarge = () => new Failure('too_large', 'the body is larger than is taken here');

const tooMuch = () =>
  new Failure('overloaded', 'too many large requests are being read at once: try again', {
    retryAfterMs: 1_000,
    execution: 'not_started',
  });
