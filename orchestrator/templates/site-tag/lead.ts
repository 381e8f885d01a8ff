import * as z from 'zod/mini';
import { Refusal } from './refusal.ts';

/** Beacons are at most 64 KiB; a form that a person fills in is far below this. */
const LEAD_BYTES_MAX = 16 * 1024;
const FIELDS_MAX = 50;
/** People never see this field; what fills it in is a program. */
const HONEYPOT = '_gotcha';
/** What ad platforms put into a landing page's URL. */
const CLICK_PARAMETER = /^(?:gclid|gbraid|wbraid|fbclid|msclkid|utm_[a-z_]{1,30})$/;

const name = z.string().check(z.minLength(1), z.maxLength(100));
const fields = z
  .record(name, z.string().check(z.maxLength(4_000)))
  .check(z.refine((record) => Object.keys(record).length <= FIELDS_MAX, `expected at most ${FIELDS_MAX}`));

/** A lead as the snippet sends it. What this version does not know is left out. */
const leadEvent = z.object({
  /** Made by whoever saw it first: a repeat has the same. */
  id: z.optional(z.string().check(z.regex(/^[\w-]{8,64}$/, 'expected 8 to 64 of letters, digits, "_", "-"'))),
  /** When it was sent first, in milliseconds since the epoch, by the visitor's clock. */
  at: z.optional(z.int().check(z.nonnegative())),
  fields,
  /** Of the click that led here: `gclid`, `utm_source` … */
  attribution: z.optional(
    z.record(
      z.string().check(z.regex(CLICK_PARAMETER, 'expected a click’s parameter')),
      z.string().check(z.maxLength(500)),
    ),
  ),
  page: z.optional(z.string().check(z.maxLength(2_000))),
});
type LeadEvent = z.infer<typeof leadEvent>;

/** A lead as it goes on to the site's upstream. The same event always makes the very same lead. */
export type Lead = LeadEvent & {
  readonly id: string;
  readonly siteId: string;
  /** A program rather than a person, as it seems. It goes on all the same: that is the site's to judge. */
  readonly suspect?: 'honeypot';
};

/** Throws `Refusal`: 400, 413 or 415, none of which is worth a repeat. */
export async function readLead(request: Request, siteId: string, now: number): Promise<Lead> {
  const text = await readText(request);
  const event = leadEvent.safeParse(parse(text, request.headers.get('content-type') ?? ''));
  if (!event.success) {
    const [issue] = event.error.issues;
    throw new Refusal(400, `${issue?.path.join('.') || 'the lead'}: ${issue?.message ?? 'is not valid'}`);
  }
  const { [HONEYPOT]: trap = '', ...rest } = event.data.fields;
  const lead = {
    ...event.data,
    siteId,
    fields: rest,
    ...(trap === '' ? {} : { suspect: 'honeypot' as const }),
  };
  return { ...lead, id: event.data.id ?? (await idOf(lead, now)) };
}

async function readText({ body }: Request): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ['', 0];
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > LEAD_BYTES_MAX) throw new Refusal(413, `expected at most ${LEAD_BYTES_MAX} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parse(text: string, contentType: string): unknown {
  const [type] = contentType.toLowerCase().split(';');
  switch (type?.trim()) {
    case 'application/x-www-form-urlencoded':
      return ofForm(new URLSearchParams(text));
    // Beacons, and what is to need no preflight, come as text.
    case 'application/json':
    case 'text/plain':
      return ofJson(text);
    default:
      throw new Refusal(415, 'expected application/json, text/plain or application/x-www-form-urlencoded');
  }
}

function ofJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'the body is no JSON');
  }
}

/** A form without the snippet: the click's parameters may be hidden fields of it. */
function ofForm(form: URLSearchParams): unknown {
  const given = [...form];
  const click = given.filter(([key]) => CLICK_PARAMETER.test(key));
  return {
    fields: Object.fromEntries(given.filter(([key]) => !CLICK_PARAMETER.test(key))),
    ...(click.length === 0 ? {} : { attribution: Object.fromEntries(click) }),
  };
}

/** Of a lead that came without one: what is sent twice on one day (UTC), word by word, is one lead. */
async function idOf({ siteId, fields }: Pick<Lead, 'siteId' | 'fields'>, now: number): Promise<string> {
  const day = new Date(now).toISOString().slice(0, 10);
  const text = JSON.stringify([siteId, day, Object.entries(fields).sort()]);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  const hex = [...new Uint8Array(digest).slice(0, 16)].map((byte) => byte.toString(16).padStart(2, '0'));
  return `day_${hex.join('')}`;
}
