import { connect, createServer, type Server, type Socket } from 'node:net';

const EVERY_MS = 1_000;
const KEPT = 7;
const RECONNECT_MS = 1_000;

/** Answers every byte with itself: the far end of the ping route. */
export function startEcho(at: { readonly host: string; readonly port: number }): Promise<Server> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => resolve(server));
  });
}

/** Sends one byte a second through the link, as any client would, and times its return. */
export class Ping {
  readonly #at: { readonly host: string; readonly port: number };
  readonly #samples: number[] = [];
  #socket: Socket | null = null;
  #sentAtMs: number | null = null;
  #lastAtMs: number | null = null;
  #timer: NodeJS.Timeout;
  #closed = false;

  constructor(at: { readonly host: string; readonly port: number }) {
    this.#at = at;
    this.#connect();
    this.#timer = setInterval(() => this.#send(), EVERY_MS);
  }

  medianMs(): number | null {
    const sorted = this.#samples.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }

  ageMs(): number | null {
    return this.#lastAtMs === null ? null : performance.now() - this.#lastAtMs;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#socket?.destroy();
  }

  #connect(): void {
    const socket = connect({ ...this.#at, noDelay: true });
    this.#socket = socket;
    this.#sentAtMs = null;
    socket.on('data', () => this.#returned());
    // The first byte waits for the handshake too: not a round trip. It only opens the path.
    socket.write('.');
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (!this.#closed) setTimeout(() => this.#closed || this.#connect(), RECONNECT_MS).unref();
    });
  }

  #send(): void {
    if (this.#sentAtMs !== null || this.#socket === null || !this.#socket.writable) return;
    this.#sentAtMs = performance.now();
    this.#socket.write('.');
  }

  #returned(): void {
    if (this.#sentAtMs === null) {
      this.#send();
      return;
    }
    this.#lastAtMs = performance.now();
    this.#samples.push(this.#lastAtMs - this.#sentAtMs);
    if (this.#samples.length > KEPT) this.#samples.shift();
    this.#sentAtMs = null;
  }
}
