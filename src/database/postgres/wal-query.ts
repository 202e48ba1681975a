import type { Connection, Submittable } from 'pg';
import { type Lsn, lsnToBigInt } from '../../base/lsn.ts';
import { codeOf } from './files.ts';

/** Waiting bytes above which the socket is paused, and below which it goes on. */
const PAUSE_ABOVE_BYTES = 4 * 1024 * 1024;
const RESUME_BELOW_BYTES = 1024 * 1024;

export interface WalQueryPorts {
  /** WAL bytes from a position on. The next ones come after the promise resolved. */
  write(at: bigint, bytes: Buffer): Promise<void>;
  /** Up to where everything is written. */
  written(): bigint;
  pause(): void;
  resume(): void;
}

interface CopyBoth {
  sendCopyFromChunk(chunk: Buffer): void;
}

/**
 * A query for node-postgres that takes a stream of WAL. One CopyData message starts with a byte that says what follows: `w` WAL (its
 * position, the end there, a clock, bytes), `k` a sign of life (the end there, a clock, whether an answer is wanted).
 */
export class WalQuery implements Submittable {
  /** Resolves with the code of the error that ended it; '' when there was none. Nothing is being written then. */
  readonly ended: Promise<string>;
  readonly #sql: string;
  readonly #ports: WalQueryPorts;
  #connection: CopyBoth | null = null;
  #resolve: (code: string) => void = () => undefined;
  #writing: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  #over = false;

  constructor(slot: string, from: Lsn, timeline: number, ports: WalQueryPorts) {
    this.#sql = `START_REPLICATION SLOT ${slot} PHYSICAL ${from} TIMELINE ${timeline}`;
    this.#ports = ports;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  submit(connection: Connection): void {
    this.#connection = connection as unknown as CopyBoth;
    connection.query(this.#sql);
  }

  /** What is written may go at the upstream. It takes a silence of `wal_sender_timeout` for a loss. */
  confirm(): void {
    if (this.#over) return;
    const reply = Buffer.alloc(34);
    reply.write('r');
    for (const at of [1, 9]) reply.writeBigUInt64BE(this.#ports.written(), at);
    this.#connection?.sendCopyFromChunk(reply);
  }

  end(code: string): void {
    if (this.#over) return;
    this.#over = true;
    void this.#writing.then(() => this.#resolve(code));
  }

  handleCopyData(message: { readonly chunk: Buffer }): void {
    const { chunk } = message;
    if (this.#over) return;
    if (chunk[0] === 0x6b && chunk[17] === 1) this.confirm();
    if (chunk[0] !== 0x77) return;
    const at = chunk.readBigUInt64BE(1);
    // The parser uses its buffer again for what arrives next.
    const bytes = Buffer.from(chunk.subarray(25));
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > PAUSE_ABOVE_BYTES) this.#ports.pause();
    this.#writing = this.#writing.then(() => this.#write(at, bytes));
  }

  async #write(at: bigint, bytes: Buffer): Promise<void> {
    if (this.#over) return;
    try {
      await this.#ports.write(at, bytes);
    } catch (error) {
      this.end(codeOf(error) ?? 'write');
      return;
    }
    this.#waitingBytes -= bytes.length;
    if (this.#waitingBytes < RESUME_BELOW_BYTES) this.#ports.resume();
  }

  handleError(error: Error): void {
    this.end('code' in error ? String(error.code) : '');
  }
  /** The timeline ended there: nothing more comes. */
  handleCommandComplete(): void {
    this.end('');
  }
  handleReadyForQuery(): void {
    this.end('');
  }
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
}

/** The beginning of the segment that holds `lsn`: from there on a recovery reads. */
export function segmentStart(lsn: Lsn, segmentBytes: number): bigint {
  const at = lsnToBigInt(lsn);
  return at - (at % BigInt(segmentBytes));
}
