import {
  DATA_WORD,
  EAGAIN,
  EINTR,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EVENT_WORDS,
  libc,
  type Libc,
  type Memory,
  memoryOf,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
} from '../../system/libc.ts';

const EPOLLIN = 1;
const MAX_EVENTS = 64;
const BUFFER_BYTES = 65_536;
/** Chunks up to this length are seen through a view that is made once. */
const VIEWS = 2_048;
/** Longest stay away from Node's loop. What happens there ends a stay at once; this is for what we might overlook. */
const STAY_MS = 20;

/**
 * Waits for sockets, reads and writes them with the system's own calls: the way through libuv and the streams costs several
 * times the call itself.
 *
 * Node's loop watches one descriptor, our epoll set. Once that woke us we stay and wait ourselves, and then it is the other
 * way round: our set watches the descriptor of Node's loop, and we go when something happens there, when a timer is due
 * or when a reader left something for Node to do.
 */
export class Poller {
  readonly #libc: Libc;
  readonly #epoll: number;
  readonly #watch: { on(): void; off(): void };
  readonly #readers: (Reader | undefined)[] = [];
  readonly #events: Memory;
  readonly #change: Memory;
  readonly #incoming: Memory;
  readonly #outgoing: Memory;
  readonly #views: (Buffer | undefined)[] = [];
  /** What `#incoming` holds now. */
  #chunk: Buffer | null = null;
  /** Node has something to do that came up here. */
  #leave = false;

  constructor(calls: Libc) {
    this.#libc = calls;
    this.#epoll = calls.epollCreate(EPOLL_CLOEXEC);
    if (this.#epoll < 0) throw new Error(`epoll_create1: errno ${calls.errno()}`);
    this.#events = memoryOf(calls, MAX_EVENTS * EVENT_WORDS * 4);
    this.#change = memoryOf(calls, EVENT_WORDS * 4);
    this.#incoming = memoryOf(calls, BUFFER_BYTES);
    this.#outgoing = memoryOf(calls, BUFFER_BYTES);
    this.#watch = calls.watch(this.#epoll, () => this.#stay());
    this.#watch.on();
  }

  /**
   * Reads `fd` from now on. `reader` gets chunks, which are its own only until it returns, and null when there is nothing more
   * to read or an error: `fd` is forgotten then. False when it cannot be watched.
   */
  add(fd: number, reader: Reader): boolean {
    if (this.#control(EPOLL_CTL_ADD, fd) < 0) return false;
    this.#readers[fd] = reader;
    return true;
  }

  /** Forgets `fd` if `reader` has it: its number may be another's by now. */
  remove(fd: number, reader: Reader): void {
    if (this.#readers[fd] !== reader) return;
    this.#readers[fd] = undefined;
    this.#leave = true;
    this.#control(EPOLL_CTL_DEL, fd);
  }

  /** Writes what `fd` takes at once. Returns a copy of the rest, which may be all because of an error, or null for no rest. */
  send(fd: number, buffers: readonly Buffer[]): Buffer | null {
    const [first] = buffers;
    if (first === undefined) return null;
    if (buffers.length === 1 && first === this.#chunk) return this.#send(fd, this.#incoming.at, first);
    const all = Buffer.concat(buffers);
    if (all.length > BUFFER_BYTES) return all;
    all.copy(this.#outgoing.bytes);
    return this.#send(fd, this.#outgoing.at, all);
  }

  /** Whoever reads from here and leaves something for Node to do says so: Node does nothing while we stay. */
  leave(): void {
    this.#leave = true;
  }

  #stay(): void {
    const { loopFd } = this.#libc;
    this.#watch.off();
    const watched = this.#control(EPOLL_CTL_ADD, loopFd) === 0;
    try {
      const waitMs = watched ? this.#libc.loopWaitMs() : 0;
      const untilMs = performance.now() + (waitMs < 0 ? STAY_MS : Math.min(waitMs, STAY_MS));
      this.#leave = false;
      let leftMs = 0;
      do {
        if (!this.#serve(Math.ceil(Math.max(0, leftMs)))) break;
        leftMs = untilMs - performance.now();
      } while (!this.#leave && leftMs > 0);
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
    this.#control(EPOLL_CTL_DEL, loopFd);
    this.#watch.on();
    // Node calls us without doing afterwards what it does after its own callbacks (ticks, promises): an immediate makes up for it.
    setImmediate(nothing);
  }

  /** Waits and serves what can be read. False when nothing came. */
  #serve(timeoutMs: number): boolean {
    const { words, at } = this.#events;
    const { loopFd } = this.#libc;
    const count = this.#libc.epollWait(this.#epoll, at, MAX_EVENTS, timeoutMs);
    for (let event = 0; event < count; event += 1) {
      const fd = words[event * EVENT_WORDS + DATA_WORD] ?? -1;
      const reader = this.#readers[fd];
      if (reader !== undefined) this.#read(fd, reader);
      else if (fd === loopFd) this.#leave = true;
    }
    return count > 0;
  }

  #read(fd: number, reader: Reader): void {
    const length = this.#libc.recv(fd, this.#incoming.at, BUFFER_BYTES, MSG_DONTWAIT);
    if (length > 0) {
      this.#chunk = this.#view(length);
      reader(this.#chunk);
      this.#chunk = null;
      return;
    }
    const errno = length < 0 ? this.#libc.errno() : 0;
    if (errno === EAGAIN || errno === EINTR) return;
    this.remove(fd, reader);
    reader(null);
  }

  #view(length: number): Buffer {
    const known = this.#views[length];
    if (known !== undefined) return known;
    const view = this.#incoming.bytes.subarray(0, length);
    if (length < VIEWS) this.#views[length] = view;
    return view;
  }

  /** `bytes` is what lies at the address. */
  #send(fd: number, at: number, bytes: Buffer): Buffer | null {
    const sent = this.#libc.send(fd, at, bytes.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent === bytes.length) return null;
    return Buffer.from(sent > 0 ? bytes.subarray(sent) : bytes);
  }

  #control(operation: number, fd: number): number {
    const { words, at } = this.#change;
    words[0] = EPOLLIN;
    words[DATA_WORD] = fd;
    return this.#libc.epollCtl(this.#epoll, operation, fd, at);
  }
}

/** Gets a chunk, which is its own only until it returns, or null when there is nothing more to read, or an error. */
export type Reader = (chunk: Buffer | null) => void;

const nothing = (): void => undefined;

/** The one of this process; null where sockets are Node's alone. */
export const poller = libc === null ? null : new Poller(libc);
