import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * Reads a socket without the stream in between. Node allocates 64 KiB for every read of a stream and sends each chunk
 * through its Readable; `onread` reads into a buffer of ours and calls back. Measured, that is half of the
 * time that the gateway itself spends on a message.
 */
export interface Intake {
  /** Use this one from now on; the one given may have been emptied into it. */
  readonly socket: Socket;
  /** Begins to read: first what had arrived before, in the same breath. */
  begin(): void;
}

/** One for all sockets: a read fills it and `onBytes` has a copy before the next. */
const shared = Buffer.allocUnsafeSlow(65_536);

/** A handle as `net` has it. There is no public way to give an accepted socket an `onread`, so this may be missing. */
interface Handle {
  reading: boolean;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
}

type Options = SocketConstructorOpts & { readonly handle: Handle; readonly onread: OnReadOpts };

/** `given` must be paused. Where its handle cannot be taken (TLS, bytes still to be written) it is read as a stream. */
export function openIntake(given: Socket, onBytes: (bytes: Buffer) => void): Intake {
  const handle: unknown = Reflect.get(given, '_handle');
  if (given instanceof TLSSocket || given.destroyed || given.writableLength > 0 || !isHandle(handle)) {
    given.on('data', onBytes);
    return { socket: given, begin: () => void given.resume() };
  }
  handle.readStop();
  handle.reading = false;
  Reflect.set(given, '_handle', null);
  const early: unknown = given.read();
  const callback = (length: number): true => {
    onBytes(Buffer.from(shared.subarray(0, length)));
    return true;
  };
  const options: Options = { handle, allowHalfOpen: true, onread: { buffer: shared, callback } };
  const socket = new Socket(options);
  socket.on('error', () => undefined); // 'close' follows and is what everybody acts on
  // The empty one stays in its server's books until the connection is over.
  socket.once('close', () => given.destroy());
  given.once('close', () => socket.destroy());
  return {
    socket,
    begin: () => {
      socket.resume();
      if (Buffer.isBuffer(early)) onBytes(early);
    },
  };
}

const isHandle = (value: unknown): value is Handle =>
  typeof value === 'object' &&
  value !== null &&
  typeof Reflect.get(value, 'readStop') === 'function' &&
  typeof Reflect.get(value, 'useUserBuffer') === 'function';
