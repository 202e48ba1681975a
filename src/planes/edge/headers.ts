import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

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

type AnswerHeaders = Record<string, string | string[]>;

/** The headers for the client. */
export function headersForClient(headers: IncomingHttpHeaders): AnswerHeaders {
  const dropped = namesIn(headers.connection);
  const kept: AnswerHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || NEVER_FORWARDED.has(name) || dropped?.has(name)) continue;
    kept[name] = value;
  }
  return kept;
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
