/**
 * The browser's part: `window.adsengineer`, told of by the event `adsengineer` on `window`.
 *
 * - `lead(form)`, with a form, FormData or an object: sends a lead. Resolves to `{ id, state }`: `taken`, `kept` (it is
 *   sent again by itself) or `refused`, with a `reason`. Never rejects.
 * - `consent()` tells `granted`, `denied` or `unknown`; `consent(true)` and `consent(false)` say so for good.
 * - `attribution()`: the last click that is remembered.
 */
import { attribution, capture, forget } from './attribution.ts';
import { type Consent, consentOf, rememberConsent } from './consent.ts';
import { fieldsOf, type Given } from './fields.ts';
import { Outbox } from './outbox.ts';
import { type Outcome, Sender } from './sender.ts';

declare global {
  /** What the Worker writes before this script. */
  var __adsengineer: { readonly consent: 'required' | 'implied' };
  var adsengineer: Adsengineer | undefined;
}

interface Adsengineer {
  lead(given: Given): Promise<Outcome & { readonly id: string }>;
  consent(given?: boolean): Consent;
  attribution: typeof attribution;
}

/** Without `crypto.randomUUID`, which pages over plain HTTP do not have. */
const newId = (): string =>
  `lead_${[...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;

function start(scriptUrl: string): void {
  const needsConsent = globalThis.__adsengineer.consent === 'required';
  const landing = location.href;
  const outbox = new Outbox();
  const sender = new Sender(new URL('lead', scriptUrl).href, outbox);

  const consent = (given?: boolean): Consent => {
    if (given !== undefined) rememberConsent(given);
    const said = consentOf(needsConsent);
    if (said === 'granted') capture(landing);
    else if (attribution() !== undefined) forget();
    return said;
  };

  const lead = async (given: Given) => {
    const [id, at] = [newId(), Date.now()];
    // What is remembered is what the visitor has agreed to: `consent` forgets it otherwise.
    const click = attribution();
    const body = JSON.stringify({
      ...{ id, at, fields: fieldsOf(given), page: location.origin + location.pathname },
      ...(click && { attribution: click }),
    });
    outbox.add({ id, at, body });
    return { id, ...(await sender.send({ id, at, body })) };
  };

  consent();
  globalThis.adsengineer = { lead, consent, attribution };
  sender.resend();
  dispatchEvent(new Event('adsengineer'));
}

// A page that has the tag twice, by hand and by a proxy, is served once.
const { currentScript } = document;
if (globalThis.adsengineer === undefined && currentScript instanceof HTMLScriptElement)
  start(currentScript.src);
