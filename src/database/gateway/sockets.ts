import { connect, type Socket } from 'node:net';

/** Things that are the same for every socket of the gateway. */

/** A connection ended before what was expected of it had arrived. */
export class ConnectionLost extends Error {}

/**
 * Reads until `take` finds what it looks for at the start of what has arrived; what follows goes back into the socket,
 * which is left paused.
 * @throws ConnectionLost when the socket ended, the time or `limitBytes` was up; whatever `take` throws.
 */
export function readHead<T>(
  socket: Socket,
  limits: { readonly bytes: number; readonly timeoutMs: number },
  take: (bytes: Buffer) => { readonly value: T; readonly used: number } | null,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const stop = (): void => {
      clearTimeout(timer);
      socket.pause();
      socket.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', onEnd);
    };
    const fail = (error: unknown): void => {
      stop();
      reject(error instanceof Error ? error : new Error(String(error)));
    };
    const onEnd = (): void => fail(new ConnectionLost('the connection ended'));
    const onData = (chunk: Buffer): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      try {
        const found = take(bytes);
        if (found !== null) {
          stop();
          if (found.used < bytes.length) socket.unshift(bytes.subarray(found.used));
          resolve(found.value);
        } else if (bytes.length > limits.bytes) fail(new ConnectionLost('too many bytes'));
      } catch (error) {
        fail(error);
      }
    };
    const timer = setTimeout(() => fail(new ConnectionLost('the time was up')), limits.timeoutMs);
    socket.on('data', onData).on('end', onEnd).on('close', onEnd).on('error', onEnd);
    if (socket.destroyed || socket.readableEnded) onEnd();
    else socket.resume();
  });
}

/**
 * Opens a connection and resolves when it stands. `firstBytes` are sent with it.
 * @throws ConnectionLost
 */
export function dial(
  to: { readonly path: string } | { readonly host: string; readonly port: number },
  firstBytes: Buffer,
  timeoutMs: number,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...to, allowHalfOpen: true, noDelay: true });
    // An error after this one is answered by whoever holds the socket then; without a listener it would end the process.
    socket.on('error', () => undefined);
    const timer = setTimeout(() => fail('the time was up'), timeoutMs);
    const fail = (why: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new ConnectionLost(why));
    };
    const onError = (error: Error): void => fail(error.message);
    socket.once('error', onError);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', onError);
      socket.pause();
      resolve(socket);
    });
    socket.write(firstBytes);
  });
}

/** What may arrive of somebody whom nobody answers yet; more than this is left where it is. */
const EARLY_BYTES = 65_536;

/** Somebody who waits for something, and may leave meanwhile. */
export interface Waiting {
  /** Aborted when the other side is gone; the socket is destroyed then. */
  readonly gone: AbortSignal;
  /** Leaves the socket paused, with what arrived meanwhile in it. */
  stop(): void;
}

/** A paused socket never says that its other side is gone. This one is read, and what arrives goes back into it in the end. */
export function watchWhileWaiting(socket: Socket): Waiting {
  const over = new AbortController();
  const early: Buffer[] = [];
  let bytes = 0;
  const onData = (chunk: Buffer): void => {
    early.push(chunk);
    bytes += chunk.length;
    if (bytes > EARLY_BYTES) socket.pause();
  };
  const onGone = (): void => {
    over.abort();
    socket.destroy();
  };
  const stop = (): void => {
    socket.pause();
    socket.off('data', onData).off('end', onGone).off('close', onGone);
    if (early.length > 0 && !socket.destroyed) socket.unshift(Buffer.concat(early.splice(0)));
  };
  socket.on('data', onData).on('end', onGone).on('close', onGone);
  if (socket.destroyed || socket.readableEnded) onGone();
  else socket.resume();
  return { gone: over.signal, stop };
}

/** How long a connection that was told goodbye may take to close. */
const LINGER_MS = 1_000;

/**
 * Sends the last bytes and closes. What the other side still sends is read and dropped, because closing a socket with
 * unread bytes resets it and the goodbye would be lost.
 */
export function sayGoodbye(socket: Socket, lastBytes: Buffer | null): void {
  if (socket.destroyed) return;
  if (lastBytes === null) socket.end();
  else socket.end(lastBytes);
  socket.on('data', () => undefined);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('end', () => socket.destroySoon());
  socket.once('close', () => clearTimeout(timer));
}
