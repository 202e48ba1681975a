import { connect, type Socket } from 'node:net';
import type { DelayLine, Lane, Parcel } from './delay-line.ts';

/** Bytes of one direction of one connection that were read and not yet taken by the receiver: TCP's window. */
export const WINDOW_BYTES = 2 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;

/** One direction: reads `source`, sends through the line, writes to `sink`. Stops reading when the window is full. */
class Pipe implements Lane {
  readonly #line: DelayLine;
  readonly #onOpen: () => void;
  #source: Socket | null = null;
  #sink: Socket | null = null;
  #unflushedBytes = 0;
  #severed = false;
  #finished = false;

  constructor(line: DelayLine, onOpen: () => void) {
    this.#line = line;
    this.#onOpen = onOpen;
  }

  signal(kind: 'open' | 'opened'): void {
    this.#line.send(this, { kind });
  }

  writeTo(sink: Socket): void {
    this.#sink = sink;
  }

  readFrom(source: Socket): void {
    this.#source = source;
    source.on('data', (bytes: Buffer) => {
      if (this.#severed) return;
      this.#unflushedBytes += bytes.length;
      this.#line.send(this, { kind: 'data', bytes });
      this.#pauseWhenFull();
    });
    source.on('end', () => this.#finish('end'));
    source.resume();
  }

  /** The source is gone without a goodbye: the other side hears of it one delay later. */
  reset(): void {
    this.#finish('reset');
  }

  /** Closed without an end: a reset, unless the end was sent before. */
  sourceClosed(): void {
    if (!this.#finished) this.#finish('reset');
  }

  /** The machine behind the source died (see DelayLine.severSender). */
  sever(): void {
    if (this.#severed) return;
    this.#severed = true;
    this.#finished = true;
    this.#line.severSender(this);
  }

  deliver(parcel: Parcel): void {
    if (parcel.kind === 'open' || parcel.kind === 'opened') return this.#onOpen();
    const sink = this.#sink;
    if (sink === null || sink.destroyed) return;
    if (parcel.kind === 'reset') resetSocket(sink);
    else if (parcel.kind === 'end') sink.end();
    else this.#write(sink, parcel.bytes);
  }

  hasRoom(): void {
    this.#resumeWhenRoom();
  }

  #finish(kind: 'end' | 'reset'): void {
    if (this.#finished && kind === 'end') return;
    if (this.#severed) return;
    this.#finished = true;
    this.#line.send(this, { kind });
  }

  #write(sink: Socket, bytes: Buffer): void {
    sink.write(bytes, () => {
      this.#unflushedBytes -= bytes.length;
      this.#resumeWhenRoom();
    });
  }

  #pauseWhenFull(): void {
    if (this.#unflushedBytes >= WINDOW_BYTES || this.#line.isFull(this)) this.#source?.pause();
  }

  #resumeWhenRoom(): void {
    if (this.#source === null || this.#source.destroyed || !this.#source.isPaused()) return;
    if (this.#unflushedBytes >= WINDOW_BYTES / 2 || this.#line.isFull(this)) return;
    this.#source.resume();
  }
}

/** A peer must see RST, not FIN, when its other side was reset. */
function resetSocket(socket: Socket): void {
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

/**
 * One connection across the link. The near side was accepted by the kernel at once; its bytes are read only after the
 * handshake went to the target and back, so that a connect costs the round trip that a SYN would.
 *
 *   near ──open──▶ dial target        near ◀──opened── connected      then bytes both ways
 */
export class Connection {
  readonly #near: Socket;
  readonly #forward: Pipe;
  readonly #back: Pipe;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #onClose: () => void;
  #far: Socket | null = null;
  #closed = false;

  constructor(
    near: Socket,
    target: { readonly host: string; readonly port: number },
    lines: { readonly forward: DelayLine; readonly back: DelayLine },
    onClose: () => void,
  ) {
    this.#near = near;
    this.#target = target;
    this.#onClose = onClose;
    this.#forward = new Pipe(lines.forward, () => this.#dial());
    this.#back = new Pipe(lines.back, () => this.#forward.readFrom(near));
    this.#back.writeTo(near);
    near.setNoDelay(true);
    near.on('error', () => this.#forward.reset());
    near.on('close', () => {
      this.#forward.sourceClosed();
      this.#closeWhenBothAre();
    });
    this.#forward.signal('open');
  }

  /** The place of one side died: what it had not put on the wire dies with it. */
  sever(side: 'near' | 'far'): void {
    if (side === 'near') {
      this.#forward.sever();
      this.#near.destroy();
    } else {
      this.#back.sever();
      this.#far?.destroy();
    }
  }

  destroy(): void {
    this.#near.destroy();
    this.#far?.destroy();
  }

  #dial(): void {
    if (this.#near.destroyed) return;
    const far = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    this.#far = far;
    const timer = setTimeout(() => far.destroy(new Error('connect timed out')), CONNECT_TIMEOUT_MS);
    far.on('error', () => this.#back.reset());
    far.on('close', () => {
      clearTimeout(timer);
      this.#back.sourceClosed();
      this.#closeWhenBothAre();
    });
    far.once('connect', () => {
      clearTimeout(timer);
      this.#forward.writeTo(far);
      this.#back.signal('opened');
      this.#back.readFrom(far);
    });
  }

  #closeWhenBothAre(): void {
    if (this.#closed || !this.#near.closed || this.#far?.closed === false) return;
    this.#closed = true;
    this.#onClose();
  }
}
