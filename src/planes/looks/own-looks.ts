import { parseAddress } from '../../base/address.ts';
import {
  DATA_WORD,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EVENT_WORDS,
  type Libc,
  type Memory,
  memoryOf,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
} from '../../system/libc.ts';
import { HEAD_BYTES_MAX, type LookOptions, requestOf, type Target, verdictOf } from './look.ts';

const [AF_INET, AF_INET6] = [2, 10];
/** A stream that never blocks and is nobody's after `exec`. */
const SOCKET_TYPE = 1 | 0o4000 | 0o2000000;
const [EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLET] = [1, 4, 8, 16, 1 << 31];
const MAX_EVENTS = 64;
const REQUEST_BYTES_MAX = 4_096;
/** Targets come from configurations; more than this many are forgotten and made again. */
const TARGETS_MAX = 4_096;

/**
 * Looks by the system's own calls: socket, connect, send, recv, close, and one epoll set for all of them, which Node's loop watches.
 * A socket of Node's for each look costs more than twice as much as all of these. Plain TCP and HTTP at an address; a name and TLS
 * are left to Node.
 */
export class OwnLooks {
  readonly #libc: Libc;
  readonly #epoll: number;
  /** Kept, because what nobody keeps is not watched for long. */
  readonly #watch: { on(): void };
  readonly #events: Memory;
  readonly #change: Memory;
  readonly #incoming: Memory;
  readonly #outgoing: Memory;
  /** Under way, by descriptor. */
  readonly #looks: (Looking | undefined)[] = [];
  readonly #addresses = new Map<string, Memory | null>();
  #count = 0;

  constructor(calls: Libc) {
    this.#libc = calls;
    this.#epoll = calls.epollCreate(EPOLL_CLOEXEC);
    if (this.#epoll < 0) throw new Error(`epoll_create1: errno ${calls.errno()}`);
    this.#events = memoryOf(calls, MAX_EVENTS * EVENT_WORDS * 4);
    this.#change = memoryOf(calls, EVENT_WORDS * 4);
    this.#incoming = memoryOf(calls, HEAD_BYTES_MAX);
    this.#outgoing = memoryOf(calls, REQUEST_BYTES_MAX);
    this.#watch = calls.watch(this.#epoll, () => this.#serve());
    this.#watch.on();
  }

  /** Null: not one for these calls. */
  look(options: LookOptions): (() => void) | null {
    const { target, what } = options;
    if (what.kind === 'tls') return null;
    const address = this.#addressOf(target);
    const request = what.kind === 'http' ? requestOf(what.path, target) : null;
    if (address === null || (request !== null && request.length > REQUEST_BYTES_MAX)) return null;
    this.#count = (this.#count + 1) | 0;
    const looking = new Looking(this.#count, options, request, this.#close);
    // Whatever happens is told later, never within this call.
    if (!this.#begin(looking, address)) setImmediate(() => looking.end('connect'));
    return () => looking.giveUp();
  }

  /** False when this process can have no more sockets. One that can't be connected tells of it by its events. */
  #begin(looking: Looking, address: Memory): boolean {
    const calls = this.#libc;
    const family = address.bytes.length === SOCKADDR_IN_BYTES ? AF_INET : AF_INET6;
    const fd = calls.socket(family, SOCKET_TYPE, 0);
    if (fd < 0) return false;
    looking.fd = fd;
    this.#looks[fd] = looking;
    calls.connect(fd, address.at, address.bytes.length);
    const { words, at } = this.#change;
    words[0] = EPOLLIN | EPOLLOUT | EPOLLET;
    words[DATA_WORD] = fd;
    words[DATA_WORD + 1] = looking.number;
    return calls.epollCtl(this.#epoll, EPOLL_CTL_ADD, fd, at) === 0;
  }

  readonly #close = ({ fd }: Looking): void => {
    if (fd < 0) return;
    this.#looks[fd] = undefined;
    this.#libc.close(fd);
  };

  /** All that has happened since. Who was told of one may end another: its events say its number, and find it gone. */
  #serve(): void {
    const { words, at } = this.#events;
    let count = 0;
    do {
      count = this.#libc.epollWait(this.#epoll, at, MAX_EVENTS, 0);
      for (let i = 0; i < count * EVENT_WORDS; i += EVENT_WORDS) {
        const looking = this.#looks[words[i + DATA_WORD] ?? -1];
        if (looking?.number === words[i + DATA_WORD + 1]) this.#advance(looking, words[i] ?? 0);
      }
    } while (count === MAX_EVENTS);
    // Node calls us without doing afterwards what it does after its own callbacks (ticks, promises): an immediate makes up for it.
    setImmediate(nothing);
  }

  #advance(looking: Looking | undefined, events: number): void {
    if (looking === undefined) return;
    try {
      const isBroken = (events & (EPOLLERR | EPOLLHUP)) !== 0;
      if (!looking.isConnected) {
        if (isBroken) return looking.end('connect');
        if ((events & EPOLLOUT) === 0) return;
        looking.connected();
        if (looking.request === null) return looking.end('ok');
        this.#send(looking, looking.request);
      }
      if (isBroken || (events & EPOLLIN) !== 0) this.#receive(looking, isBroken);
    } catch (error) {
      // Thrown through the library it would end the process without a word.
      setImmediate(() => {
        throw error;
      });
    }
  }

  #send(looking: Looking, request: string): void {
    const length = this.#outgoing.bytes.write(request, 'latin1');
    // A new connection takes a request of this size at once, or is broken.
    const sent = this.#libc.send(looking.fd, this.#outgoing.at, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent !== length) looking.end('reset');
  }

  /** Reads until there is nothing more: it is told of each arrival once. */
  #receive(looking: Looking, isBroken: boolean): void {
    while (!looking.isOver) {
      const length = this.#libc.recv(looking.fd, this.#incoming.at, HEAD_BYTES_MAX, MSG_DONTWAIT);
      if (length > 0) looking.received(this.#incoming.bytes.toString('latin1', 0, length));
      else if (length === 0 || isBroken) looking.end('reset');
      else return;
    }
  }

  #addressOf(target: Target): Memory | null {
    const name = `${target.host} ${target.port}`;
    const known = this.#addresses.get(name);
    if (known !== undefined) return known;
    if (this.#addresses.size >= TARGETS_MAX) this.#addresses.clear();
    const made = socketAddress(this.#libc, target);
    this.#addresses.set(name, made);
    return made;
  }
}

/** One look under way. */
class Looking {
  fd = -1;
  isConnected = false;
  isOver = false;
  readonly number: number;
  readonly request: string | null;
  readonly #options: LookOptions;
  readonly #close: (looking: Looking) => void;
  readonly #begunMs: number;
  readonly #timer: NodeJS.Timeout;
  #connectMs: number | null = null;
  #head = '';

  constructor(number: number, options: LookOptions, request: string | null, close: (looking: Looking) => void) {
    this.number = number;
    this.request = request;
    this.#options = options;
    this.#close = close;
    this.#begunMs = options.nowMs();
    this.#timer = setTimeout(timedOut, options.timeoutMs, this);
  }

  connected(): void {
    this.isConnected = true;
    this.#connectMs = this.#options.nowMs() - this.#begunMs;
  }

  received(text: string): void {
    this.#head += text;
    const code = verdictOf(this.#head);
    if (code !== null) this.end(code);
  }

  giveUp(): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.#timer);
    this.#close(this);
  }

  end(code: string): void {
    if (this.isOver) return;
    this.giveUp();
    this.#options.onFound({ code, connectMs: this.#connectMs, certificateEndsAtWallMs: null });
  }
}

const timedOut = (looking: Looking): void => looking.end('timeout');

const [SOCKADDR_IN_BYTES, SOCKADDR_IN6_BYTES] = [16, 28];

/** `struct sockaddr_in` or `sockaddr_in6`; null for a name, and for an address that holds on one interface only. */
function socketAddress(calls: Libc, { host, port }: Target): Memory | null {
  const parsed = host.includes('%') ? null : parseAddress(host);
  if (parsed === null) return null;
  const memory = memoryOf(calls, parsed.family === 4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
  const { bytes } = memory;
  bytes.fill(0);
  // The family is in the machine's order, which is this one on all that have these calls.
  bytes.writeUInt16LE(parsed.family === 4 ? AF_INET : AF_INET6);
  bytes.writeUInt16BE(port, 2);
  parsed.words.forEach((word, i) => bytes.writeUInt32BE(word, (parsed.family === 4 ? 4 : 8) + 4 * i));
  return memory;
}

const nothing = (): void => undefined;
