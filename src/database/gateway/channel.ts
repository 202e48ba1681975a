import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Poller } from './poller.ts';

/**
 * One side of a relay: what it says is read and what it is told is written with as little of Node in between as there can be.
 * Best with the system's own calls (`poller.ts`); else with `onread`, which spares the stream and 64 KiB for each read; else,
 * and for TLS, as a stream. The socket stays Node's: Node writes what the kernel did not take at once, and sees the end.
 */
export interface Channel {
  /** Use this one from now on; the one given may have been emptied into it. */
  readonly socket: Socket;
  /** Begins to read: first what had arrived before, in the same breath. */
  begin(): void;
  pause(): void;
  resume(): void;
  /** False when the other side should pause until `drain` of the socket. The buffers may be used again at once. */
  write(buffers: readonly Buffer[]): boolean;
  /** Leaves the socket to Node alone. It is not read until it is resumed. */
  release(): void;
}

/** Gets what was read. It is its own only until it returns. */
type OnBytes = (bytes: Buffer) => void;

/** One for all sockets that are read with `onread`. */
const shared = Buffer.allocUnsafeSlow(65_536);

/** A handle as `net` has it. There is no public way to give an accepted socket an `onread`, so this may be missing. */
interface Handle {
  readonly fd: number;
  reading: boolean;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
}

type Options = SocketConstructorOpts & {
  readonly handle: Handle;
  readonly onread: OnReadOpts;
  /** Read nothing until `resume`. */
  readonly manualStart: true;
};

/** `given` must be paused. Where its handle cannot be taken (TLS, bytes still to be written) it is read as a stream. */
export function openChannel(given: Socket, poller: Poller | null, onBytes: OnBytes): Channel {
  const handle: unknown = Reflect.get(given, '_handle');
  if (given instanceof TLSSocket || given.destroyed || given.writableLength > 0 || !isHandle(handle)) {
    given.on('data', onBytes);
    return byNode(given, poller);
  }
  handle.readStop();
  handle.reading = false;
  Reflect.set(given, '_handle', null);
  const early: unknown = given.read();
  const socket = adopt(handle, onBytes);
  // The empty one stays in its server's books until the connection is over.
  socket.once('close', () => given.destroy());
  given.once('close', () => socket.destroy());
  const channel = poller === null ? byNode(socket, null) : byPoller(socket, handle.fd, poller, onBytes);
  const begin = (): void => {
    channel.resume();
    if (Buffer.isBuffer(early)) onBytes(early);
  };
  return { ...channel, begin };
}

function adopt(handle: Handle, onBytes: OnBytes): Socket {
  const callback = (length: number): true => {
    onBytes(shared.subarray(0, length));
    return true;
  };
  const options: Options = { handle, allowHalfOpen: true, manualStart: true, onread: { buffer: shared, callback } };
  const socket = new Socket(options);
  socket.on('error', () => undefined); // 'close' follows and is what everybody acts on
  return socket;
}

function byNode(socket: Socket, poller: Poller | null): Channel {
  const resume = (): void => void socket.resume();
  return {
    socket,
    begin: resume,
    pause: () => void socket.pause(),
    resume,
    write: (buffers) => writeByNode(socket, poller, Buffer.concat(buffers)),
    release: () => undefined,
  };
}

/** `bytes` is a copy of what was read, because what the kernel does not take at once is written later. */
function writeByNode(socket: Socket, poller: Poller | null, bytes: Buffer): boolean {
  poller?.leave();
  return socket.write(bytes) || socket.writableLength === 0;
}

/** At the end of what can be read, or an error, the socket is Node's again, which meets the same and says so. */
function byPoller(socket: Socket, fd: number, poller: Poller, onBytes: OnBytes): Channel {
  let state: 'reading' | 'paused' | 'node' = 'paused';
  const reader = (chunk: Buffer | null): void => {
    if (chunk !== null) return onBytes(chunk);
    state = 'node';
    socket.resume();
  };
  const resume = (): void => {
    if (state === 'reading') return;
    if (state === 'paused' && !socket.destroyed && poller.add(fd, reader)) state = 'reading';
    else {
      state = 'node';
      socket.resume();
    }
  };
  const pause = (): void => {
    if (state === 'node') socket.pause();
    else {
      state = 'paused';
      poller.remove(fd, reader);
    }
  };
  const release = (): void => {
    if (state === 'reading') poller.remove(fd, reader);
    state = 'node';
  };
  const write = (buffers: readonly Buffer[]): boolean => {
    // What waits in Node goes first; and the number of a closed descriptor may be another connection's by now.
    const mayWrite = state !== 'node' && !socket.destroyed && socket.writableLength === 0;
    const rest = mayWrite ? poller.send(fd, buffers) : Buffer.concat(buffers);
    return rest === null || writeByNode(socket, poller, rest);
  };
  socket.once('close', release);
  return { socket, begin: resume, pause, resume, write, release };
}

const isHandle = (value: unknown): value is Handle =>
  typeof value === 'object' &&
  value !== null &&
  typeof Reflect.get(value, 'readStop') === 'function' &&
  typeof Reflect.get(value, 'fd') === 'number' &&
  typeof Reflect.get(value, 'useUserBuffer') === 'function';
