import type { IncomingMessage } from 'node:http';

/**
 * The body of a request. Small ones are held and can be sent again. Larger ones flow through as the region takes them,
 * and can only be sent once: `begun` says whether a region has had any of it.
 */
export type RequestBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'held'; readonly bytes: Buffer }
  | { readonly kind: 'stream'; readonly source: AsyncIterable<Buffer>; readonly begun: () => boolean };

const NONE: RequestBody = { kind: 'none' };

/** Resolves when the body is held or can flow. Rejects when the client leaves before a small body is here. */
export async function bodyOf(request: IncomingMessage, holdBytes: number): Promise<RequestBody> {
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers;
  if (coding === undefined && (length === undefined || length === '0')) return NONE;
  if (length !== undefined && Number(length) <= holdBytes) return { kind: 'held', bytes: await readAll(request) };
  return stream(request);
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** undici destroys a stream that it could not send, and with it the client's connection. An iterable is left alone. */
function stream(request: IncomingMessage): RequestBody {
  let begun = false;
  async function* source(): AsyncGenerator<Buffer> {
    begun = true;
    for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
  }
  return { kind: 'stream', source: { [Symbol.asyncIterator]: source }, begun: () => begun };
}
