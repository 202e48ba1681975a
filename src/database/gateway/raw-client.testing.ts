import { connect, type Socket } from 'node:net';
import { fieldOf } from './wire.ts';

/** A client that speaks the protocol by hand, to see every message that the gateway lets through. User `postgres`, no password. */
export class RawClient {
  readonly socket: Socket;
  /** Messages received: type and, for errors, SQLSTATE; for ReadyForQuery, the status: `C`, `E 57P01`, `Z I`. */
  readonly seen: string[] = [];
  closed = false;
  key: Buffer | null = null;
  #bytes: Buffer = Buffer.alloc(0);
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  static async open(port: number, parameters: Record<string, string> = {}): Promise<RawClient> {
    const client = new RawClient(connect({ host: '127.0.0.1', port }));
    client.socket.write(startup({ user: 'postgres', database: 'postgres', ...parameters }));
    await client.until((seen) => seen.includes('Z I') || seen.some((one) => one.startsWith('E')));
    client.seen.length = 0;
    return client;
  }

  send(...messages: readonly (readonly [string, string])[]): void {
    this.socket.write(Buffer.concat(messages.map(([type, body]) => frontend(type, body))));
  }

  query(text: string): void {
    this.send(['Q', `${text}\0`]);
  }

  /** Parse, Bind and Execute of one statement, unnamed. */
  static execute(text: string): (readonly [string, string])[] {
    return [
      ['P', `\0${text}\0\0\0`],
      ['B', '\0\0\0\0\0\0\0\0'],
      ['E', '\0\0\0\0\0'],
    ];
  }

  async until(
    enough: (seen: readonly string[], closed: boolean) => boolean,
    timeoutMs = 15_000,
  ): Promise<readonly string[]> {
    const endMs = performance.now() + timeoutMs;
    while (!enough(this.seen, this.closed)) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new Error(`not seen within ${timeoutMs} ms; seen: ${this.seen.join(', ')}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.seen;
  }

  #take(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 5 && this.#bytes.length > this.#bytes.readInt32BE(1)) {
      const end = 1 + this.#bytes.readInt32BE(1);
      this.#see(this.#bytes.subarray(0, end));
      this.#bytes = this.#bytes.subarray(end);
    }
    this.#wake();
  }

  #see(message: Buffer): void {
    const type = String.fromCharCode(message[0] ?? 0);
    if (type === 'K') this.key = message.subarray(5);
    if (type === 'E' || type === 'N') this.seen.push(`${type} ${fieldOf(message, 0, message.length, 'C')}`);
    else if (type === 'Z') this.seen.push(`Z ${String.fromCharCode(message[5] ?? 0)}`);
    else this.seen.push(type);
  }
}

export function startup(parameters: Record<string, string>, version = 196_608): Buffer {
  const text = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`);
  const body = Buffer.from(`${text.join('')}\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + body.length, 0);
  head.writeInt32BE(version, 4);
  return Buffer.concat([head, body]);
}

export function cancelRequest(key: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + key.length, 0);
  head.writeInt32BE(80_877_102, 4);
  return Buffer.concat([head, key]);
}

function frontend(type: string, body: string): Buffer {
  const bytes = Buffer.from(`${type}    ${body}`, 'latin1');
  bytes.writeInt32BE(bytes.length - 1, 1);
  return bytes;
}
