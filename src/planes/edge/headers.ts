import { randomFillSync, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { peerOf } from './peer.ts';
import { REPLAY_HEADER } from './replay.ts';

/** Headers that speak about one connection, not about the message (RFC 9110 7.6.1), and those the edge writes itself. */
const NEVER_FORWARDED: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const WRITTEN_BY_EDGE: ReadonlySet<string> = new Set([
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
  'farshore-timeout-ms',
  'farshore-replay-src',
  'farshore-epoch',
]);

/** The headers for the region, as a flat list of names and values: the client's own in their order, then who asked and how. */
export function headersForRegion(request: IncomingMessage, requestId: string): string[] {
  const badTrace = !isTraceParent(request.headers['traceparent']);
  const dropped = namesIn(request.headers.connection);
  const headers: string[] = [];
  const raw = request.rawHeaders;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const lower = name.toLowerCase();
    if (NEVER_FORWARDED.has(lower) || WRITTEN_BY_EDGE.has(lower) || dropped?.has(lower)) continue;
    if (badTrace && (lower === 'traceparent' || lower === 'tracestate')) continue;
    headers.push(name, raw[i + 1] ?? '');
  }
  // What the client claims about earlier hops is kept in front: the application trusts from the right. The rest is what we saw.
  const earlier = request.headers['x-forwarded-for'];
  const client = peerOf(request.socket) || 'unknown';
  headers.push('x-forwarded-for', earlier === undefined ? client : `${String(earlier)}, ${client}`);
  headers.push('x-forwarded-proto', request.socket instanceof TLSSocket ? 'https' : 'http');
  if (request.headers.host !== undefined) headers.push('x-forwarded-host', request.headers.host);
  headers.push('x-request-id', requestId);
  // A proxy that records nothing passes a trace on as it is (W3C Trace Context 2.2); without one it begins one.
  if (badTrace) headers.push('traceparent', newTraceParent());
  return headers;
}

/** The id under which logs of the edge, the region and the client speak of this request: the client's own, if it is one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:@/+=-]{1,128}$/.test(given) ? given : randomUUID();
}

const isTraceParent = (value: string | string[] | undefined): boolean =>
  typeof value === 'string' &&
  /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/.test(value) &&
  !/^ff|^..-0{32}|^.{36}0{16}-/.test(value);

/** Not sampled: whether a trace is worth its cost is for those to say who record it. */
const newTraceParent = (): string => `00-${randomHex(16)}-${randomHex(8)}-00`;

/** Asked for in bulk: one call for random bytes costs as much as thousands of them. */
const random = Buffer.alloc(4_096);
let randomUsed = random.length;

function randomHex(bytes: number): string {
  if (randomUsed + bytes > random.length) {
    randomFillSync(random);
    randomUsed = 0;
  }
  randomUsed += bytes;
  return random.toString('hex', randomUsed - bytes, randomUsed);
}

interface AnswerHeaders {
  /** Names and values in turn. */
  readonly headers: string[];
  /** What the region says that its body has; null when it does not say. */
  readonly lengthBytes: number | null;
  /** What the application asks by `farshore-replay`; null: nothing. */
  readonly replay: string | null;
}

/** The headers for the client, from those of the region as they came: names and values in turn. */
export function headersForClient(raw: readonly Buffer[]): AnswerHeaders {
  const headers: string[] = [];
  const ending: string[] = [];
  let lengthBytes: number | null = null;
  let replay: string | null = null;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = text(raw[i]);
    const value = text(raw[i + 1]);
    const lower = name.toLowerCase();
    if (lower === 'content-length') lengthBytes = Number(value);
    if (lower === 'connection') ending.push(value);
    if (lower === REPLAY_HEADER) replay = value;
    if (!NEVER_FORWARDED.has(lower)) headers.push(name, value);
  }
  const dropped = namesIn(ending.length === 0 ? undefined : ending.join(','));
  return { headers: dropped === null ? headers : without(headers, dropped), lengthBytes, replay };
}

const text = (bytes: Buffer | undefined): string => bytes?.toString('latin1') ?? '';

function without(headers: readonly string[], names: ReadonlySet<string>): string[] {
  const keeps = (i: number): boolean => !names.has((headers[i - (i % 2)] ?? '').toLowerCase());
  return headers.filter((_, i) => keeps(i));
}

/** The path as a region expects it, also when the client sent the whole address (`GET http://host/path`). */
export function originForm(url: string): string {
  if (url.startsWith('/')) return url;
  if (!URL.canParse(url)) return url;
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** `connection: close, x-trace` names further headers that end here. */
function namesIn(connection: string | undefined): ReadonlySet<string> | null {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return null;
  return new Set(connection.split(',').map((name) => name.trim().toLowerCase()));
}
