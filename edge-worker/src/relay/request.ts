import {
  CALL_DEADLINE_MS,
  CALL_DEADLINE_MS_MAX,
  Failure,
  HEADER_BYTES_MAX,
  type HeaderList,
  RELAY_BODY_BYTES_MAX,
  SENT_BY_HEADER,
  UPLOAD_DEADLINE_MS,
  VISITOR_HEADER,
  WHOLE_BODY_BYTES_MAX,
} from '@clawdbot/protocol';
import type { RelayCall } from '../channel/relay-rpc.ts';
import { within } from '../deadline.ts';
import type { Address } from '../hosts.ts';
import { REQUEST_ID_HEADER } from '../problem.ts';
import { forwardable, givenIn, headerIn, traceOf } from './headers.ts';

/** What a relayed request is made of besides itself. */
export interface Passage {
  readonly requestId: string;
  /** The URL as the customer sent it. */
  readonly address: Address;
  /** Path and query as the other side gets them. */
  readonly url: string;
  randomHex(bytes: number): string;
}

/** The longest path and query, and the most headers, that a `request` frame takes: protocol's frames/calls.ts. */
const URL_CHARS_MAX = 16_384;
const HEADERS_MAX = 500;
/** More than any that is right. */
const VISITOR_CHARS_MAX = 200;

/**
 * The request as it crosses the channel: a small body read whole, any other as the stream that it is. The deadline
 * is the last resort: the object knows the route's own, and the orchestrator answers when that has passed.
 */
export async function callOf(
  request: Request,
  passage: Passage,
): Promise<Omit<RelayCall, 'target' | 'siteId'>> {
  const { requestId, url } = passage;
  if (request.method === 'TRACE') {
    // It would echo the headers that we add, to whoever asks (RFC 9110 §9.3.8).
    throw new Failure('method_not_allowed', 'TRACE is not passed on', { execution: 'not_started' });
  }
  if (url.length > URL_CHARS_MAX)
    throw new Failure('too_large', `the URL is longer than ${URL_CHARS_MAX} characters`);
  const given = givenIn(request.headers);
  const headers = [...forwardable(given), ...ownHeaders(given, passage)];
  refuseTooMany(headers);
  const visitor = headerIn(given, VISITOR_HEADER);
  const passed = await bodyOf(request, headerIn(given, 'content-length'));
  const whose = visitor === undefined ? {} : { visitor: visitor.slice(0, VISITOR_CHARS_MAX) };
  return { requestId, method: request.method, url, headers, ...sentBy(given), ...whose, ...passed };
}

/** Who asked, where and over what: set by us alone, since the upstream believes it. */
function ownHeaders(given: HeaderList, { requestId, address, randomHex }: Passage): HeaderList {
  // Overwritten by whatever stands before the Worker: Cloudflare, or workerd's injectRequestHeaders.
  const customer = headerIn(given, 'cf-connecting-ip');
  const own: HeaderList = [
    ['x-forwarded-proto', address.protocol],
    ['x-forwarded-host', address.host],
    [REQUEST_ID_HEADER.toLowerCase(), requestId],
    ...traceOf(given, randomHex),
  ];
  return customer === undefined ? own : [['x-forwarded-for', customer], ...own];
}

/** Too long for a version's id, it is nobody's. */
const SENT_BY_CHARS_MAX = 64;

function sentBy(given: HeaderList): Pick<RelayCall, 'workerVersion'> {
  const workerVersion = headerIn(given, SENT_BY_HEADER);
  return workerVersion === undefined || workerVersion.length > SENT_BY_CHARS_MAX ? NOBODY : { workerVersion };
}
const NOBODY = {};

function refuseTooMany(headers: HeaderList): void {
  const bytes = headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (headers.length <= HEADERS_MAX && bytes <= HEADER_BYTES_MAX) return;
  throw new Failure('too_large', 'the headers are larger than is taken here');
}

async function bodyOf(
  request: Request,
  announced: string | undefined,
): Promise<Pick<RelayCall, 'body' | 'bodyLength' | 'deadlineMs'>> {
  const { body } = request;
  if (body === null) return { body, deadlineMs: CALL_DEADLINE_MS_MAX };
  if (announced === undefined) return { body, deadlineMs: UPLOAD_DEADLINE_MS };
  const bodyLength = Number(announced);
  if (bodyLength > RELAY_BODY_BYTES_MAX) throw tooLarge();
  if (bodyLength > WHOLE_BODY_BYTES_MAX) return { body, bodyLength, deadlineMs: UPLOAD_DEADLINE_MS };
  // Not piece by piece: workerd holds a body to the length that it announces, and each read in JavaScript costs.
  const whole = new Uint8Array(await within(CALL_DEADLINE_MS, request.arrayBuffer(), slowBody));
  return { body: whole.length === 0 ? null : whole, deadlineMs: CALL_DEADLINE_MS_MAX };
}

const tooLarge = () =>
  new Failure('too_large', `a request body may have ${RELAY_BODY_BYTES_MAX} bytes`, {
    execution: 'not_started',
  });

const slowBody = () =>
  new Failure('deadline_exceeded', 'the body did not arrive in time', { execution: 'not_started' });
