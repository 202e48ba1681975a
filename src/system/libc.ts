import { isMainThread } from 'node:worker_threads';

/**
 * The few calls of the C library that carry bytes without libuv, through `koffi` (docs/adr/0007). Linux only; an optional
 * dependency: `libc` is null where there is none, or when FARSHORE_OWN_CALLS is `off`, and Node's sockets do it all.
 */
export interface Libc {
  /** All return -1 for an error; `errno` says which. Memory is given by its address. */
  epollCreate(flags: number): number;
  epollCtl(epoll: number, operation: number, fd: number, event: number): number;
  epollWait(epoll: number, events: number, maxEvents: number, timeoutMs: number): number;
  socket(family: number, type: number, protocol: number): number;
  connect(fd: number, address: number, bytes: number): number;
  close(fd: number): number;
  recv(fd: number, memory: number, bytes: number, flags: number): number;
  send(fd: number, memory: number, bytes: number, flags: number): number;
  errno(): number;
  /** Where the memory of a buffer begins. It stays there as long as the buffer lives, if it was made by `allocUnsafeSlow`. */
  addressOf(buffer: Buffer): number;
  /** Node's event loop calls back while `fd` can be read and the watch is on. It is off at first and keeps no process alive. */
  watch(fd: number, callback: () => void): { on(): void; off(): void };
  /** The descriptor that can be read when Node's event loop has something to do. */
  readonly loopFd: number;
  /** Milliseconds until the event loop has something to do because of time; 0: it has now; -1: no timer runs. */
  loopWaitMs(): number;
}

async function load(): Promise<Libc | null> {
  if (process.env['FARSHORE_OWN_CALLS'] === 'off') return null;
  // The default loop is that of the main thread.
  if (!isMainThread || process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64'))
    return null;
  try {
    const { default: koffi } = await import('koffi');
    const library = koffi.load('libc.so.6');
    const node = koffi.load(null);
    const loop: unknown = node.func('void *uv_default_loop()')();
    const backendFd: (loop: unknown) => number = node.func('int uv_backend_fd(void *)');
    const backendTimeout: (loop: unknown) => number = node.func('int uv_backend_timeout(void *)');
    return {
      epollCreate: library.func('int epoll_create1(int)'),
      epollCtl: library.func('int epoll_ctl(int, int, int, uintptr_t)'),
      epollWait: library.func('int epoll_wait(int, uintptr_t, int, int)'),
      socket: library.func('int socket(int, int, int)'),
      connect: library.func('int connect(int, uintptr_t, uint32_t)'),
      close: library.func('int close(int)'),
      recv: library.func('int recv(int, uintptr_t, uint32_t, int)'),
      send: library.func('int send(int, uintptr_t, uint32_t, int)'),
      errno: () => koffi.errno(),
      addressOf: (buffer) => Number(koffi.address(buffer)),
      watch: (fd, callback) => {
        const handle = koffi.node.poll(fd, { readable: true }, callback);
        handle.unref();
        handle.stop();
        return { on: () => handle.start({ readable: true }, callback), off: () => handle.stop() };
      },
      loopFd: backendFd(loop),
      loopWaitMs: () => backendTimeout(loop),
    };
  } catch {
    return null;
  }
}

export const libc = await load();

/** Memory of a fixed place. */
export interface Memory {
  readonly bytes: Buffer;
  readonly words: Int32Array;
  readonly at: number;
}

/** @param length a multiple of 4 */
export function memoryOf(calls: Libc, length: number): Memory {
  const bytes = Buffer.allocUnsafeSlow(length);
  return { bytes, words: new Int32Array(bytes.buffer), at: calls.addressOf(bytes) };
}

export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const EAGAIN = 11;
export const EINTR = 4;

/** `struct epoll_event` in words of 32 bits, and the first of the two that belong to whoever asks: packed on x86-64 only. */
export const [EVENT_WORDS, DATA_WORD] = process.arch === 'x64' ? [3, 1] : [4, 2];
