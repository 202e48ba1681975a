import type { IncomingMessage } from 'node:http';

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
const WRITTEN_BY_EDGE: ReadonlySet<string> = new Set(['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']);

/** The headers for the region, as a flat list of names and values: the client's own in their order, then who asked and how. */
export function headersForRegion(request: IncomingMessage): string[] {
  const dropped = namesIn(request.headers.connection);
  const headers: string[] = [];
  const raw = request.rawHeaders;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] ?? '';
    const lower = name.toLowerCase();
    if (NEVER_FORWARDED.has(lower) || WRITTEN_BY_EDGE.has(lower) || dropped?.has(lower)) continue;
    headers.push(name, raw[i + 1] ?? '');
  }
  // What the client claims about earlier hops is kept in front: the application trusts from the right. The rest is what we saw.
  const earlier = request.headers['x-forwarded-for'];
  const client = request.socket.remoteAddress ?? 'unknown';
  headers.push('x-forwarded-for', earlier === undefined ? client : `${String(earlier)}, ${client}`);
  headers.push('x-forwarded-proto', 'http');
  if (request.headers.host !== undefined) headers.push('x-forwarded-host', request.headers.host);
  return headers;
}

interface AnswerHeaders {
  /** Names and values in turn. */
  readonly headers: string[];
  /** What the region says that its body has; null when it does not say. */
  readonly lengthBytes: number | null;
}

/** The headers for the client, from those of the region as they came: names and values in turn. */
export function headersForClient(raw: readonly Buffer[]): AnswerHeaders {
  const headers: string[] = [];
  const ending: string[] = [];
  let lengthBytes: number | null = null;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = text(raw[i]);
    const value = text(raw[i + 1]);
    const lower = name.toLowerCase();
    if (lower === 'content-length') lengthBytes = Number(value);
    if (lower === 'connection') ending.push(value);
    if (!NEVER_FORWARDED.has(lower)) headers.push(name, value);
  }
  const dropped = namesIn(ending.length === 0 ? undefined : ending.join(','));
  return { headers: dropped === null ? headers : without(headers, dropped), lengthBytes };
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
