import { CLOSE, closeName, type LiveSnapshot, type LiveUpdate } from '@clawdbot/protocol';
import { type LinkEnd, LiveLink } from './link.ts';
import { type Picture, pictureOf, withUpdate } from './picture.ts';
import type { LivePorts } from './ports.ts';
import { retryDelayMs } from './retry.ts';

/** How the page itself stands to the edge. */
export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** `retryAt` in milliseconds since the epoch. */
  | { readonly state: 'waiting'; readonly retryAt: number; readonly why: string }
  | { readonly state: 'signed_out'; readonly why: string };

export interface LiveView {
  readonly connection: Connection;
  /** The last one known, kept while the connection is down; absent until the first. */
  readonly picture?: Picture;
  /** Until when the picture was so, when that is not now: milliseconds since the epoch. */
  readonly asOf?: number;
}

/** A connection that lasted this long was good: the next outage begins with a short wait again. */
const STABLE_MS = 10_000;

/**
 * The live picture of an organisation's orchestrators. It stays connected to `/live`, continues after an outage
 * from the position that it has, and shows a new snapshot when the edge no longer knows that position.
 */
export class LiveStore {
  readonly #ports: LivePorts;
  readonly #listeners = new Set<() => void>();
  #view: LiveView = { connection: { state: 'connecting' } };
  #place: { readonly stream: string; readonly position: number } | undefined;
  #link: LiveLink | undefined;
  #liveSince: number | undefined;
  #failures = 0;
  #cancelRetry = () => {};

  constructor(ports: LivePorts) {
    this.#ports = ports;
  }

  /** The same object until something changes, as `useSyncExternalStore` wants it. */
  readonly view = (): LiveView => this.#view;

  /** @returns how to unsubscribe */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  start(): void {
    this.#dial();
  }

  /** Disconnects, for good or until `start`. */
  stop(): void {
    this.#cancelRetry();
    this.#link?.close();
    this.#link = undefined;
  }

  /** Dials now instead of later; anything but a wait goes on as it is. */
  readonly retryNow = (): void => {
    if (this.#view.connection.state === 'waiting') this.#dial();
  };

  #dial(): void {
    this.stop();
    this.#liveSince = undefined;
    this.#show({ ...this.#view, connection: { state: 'connecting' } });
    const query = new URLSearchParams(
      this.#place === undefined ? {} : { stream: this.#place.stream, after: String(this.#place.position) },
    );
    this.#link = new LiveLink(this.#ports, query.toString(), {
      told: (message) => this.#told(message),
      ended: (end) => this.#ended(end),
    });
  }

  #told(message: LiveSnapshot | LiveUpdate): void {
    const picture = this.#pictureWith(message);
    if (picture === undefined) {
      this.#link?.reject('the edge continued what this page does not have');
    } else {
      this.#liveSince ??= this.#ports.now();
      this.#show({ connection: { state: 'live' }, picture });
    }
  }

  /** @returns undefined for an update of a picture that this page does not have */
  #pictureWith(message: LiveSnapshot | LiveUpdate): Picture | undefined {
    if (message.type === 'snapshot') {
      this.#place = { stream: message.stream, position: message.position };
      return pictureOf(message);
    }
    const { picture } = this.#view;
    if (this.#place === undefined || picture === undefined) return undefined;
    // Told already: what it says is in the picture, and its `missed` was counted.
    if (message.position <= this.#place.position) return picture;
    this.#place = { stream: this.#place.stream, position: message.position };
    return withUpdate(picture, message);
  }

  #ended(end: LinkEnd): void {
    this.#link = undefined;
    if (end.broken) this.#place = undefined;
    const asOf = this.#view.asOf ?? end.heardAt;
    if (asOf !== undefined) this.#view = { ...this.#view, asOf };
    if (end.code === CLOSE.unauthorized.code) this.#signOut(end.reason);
    else this.#retryLater(wordsOf(end));
  }

  #retryLater(why: string): void {
    const now = this.#ports.now();
    const lastedMs = this.#liveSince === undefined ? 0 : now - this.#liveSince;
    this.#failures = lastedMs >= STABLE_MS ? 1 : this.#failures + 1;
    const waitMs = retryDelayMs(this.#failures, this.#ports.random());
    this.#cancelRetry = this.#ports.after(waitMs, () => this.#dial());
    this.#show({ ...this.#view, connection: { state: 'waiting', retryAt: now + waitMs, why } });
    if (this.#liveSince === undefined) void this.#checkSession();
  }

  /** It never was live: perhaps the upgrade was refused because the session is over. */
  async #checkSession(): Promise<void> {
    try {
      if (await this.#ports.signedIn()) return;
    } catch {
      return; // Nobody answers: the retries go on.
    }
    if (this.#view.connection.state !== 'live') this.#signOut('The session has ended.');
  }

  #signOut(why: string): void {
    this.stop();
    this.#show({ ...this.#view, connection: { state: 'signed_out', why } });
  }

  #show(view: LiveView): void {
    this.#view = view;
    for (const listener of this.#listeners) listener();
  }
}

function wordsOf({ code, reason }: LinkEnd): string {
  if (code === undefined) return reason;
  if (code === CLOSE.overloaded.code) return `this page was too slow${reason === '' ? '' : ` (${reason})`}`;
  if (reason !== '') return reason;
  const name = closeName(code);
  return name === undefined ? `the edge closed it with ${code}` : CLOSE[name].meaning;
}
