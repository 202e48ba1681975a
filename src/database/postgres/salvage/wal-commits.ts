/** A transaction that the WAL says was committed, with its subtransactions. */
export interface WalCommit {
  readonly xids: readonly number[];
  /** End of its commit record. */
  readonly end: bigint;
}

/** Bytes of the WAL at a position, as many as asked for, never across a page; null where there is none. */
export type ReadWal = (position: bigint, length: number) => Buffer | null;

const PAGE = 8192n;
const SHORT_HEADER = 24n;
const LONG_HEADER = 40n;
const XLP_LONG_HEADER = 0x0002;
const RECORD_HEADER = 24;
const RM_XACT = 1;
const COMMIT = 0x00;
const OP_MASK = 0x70;
const HAS_INFO = 0x80;
const HAS_DBINFO = 1;
const HAS_SUBXACTS = 2;

/**
 * The commits between two positions, from the WAL's own bytes: records of 24 bytes and their data (xlogrecord.h), spread
 * over pages with a header each (xlog_internal.h); the same in PostgreSQL 15 to 18. `from` is where a record starts.
 */
export function commitsIn(read: ReadWal, from: bigint, end: bigint): WalCommit[] {
  const commits: WalCommit[] = [];
  const stream = new WalStream(read, from);
  for (;;) {
    stream.align();
    if (stream.position >= end) return commits;
    const head = stream.take(RECORD_HEADER);
    if (head === null) throw new Error(`the WAL ends at ${stream.position}, before ${end}`);
    const total = head.readUInt32LE(0);
    if (total < RECORD_HEADER) return endOrThrow(commits, stream.position, end);
    const info = head.readUInt8(16);
    const interesting = head.readUInt8(17) === RM_XACT && (info & OP_MASK) === COMMIT;
    const body = interesting ? stream.take(total - RECORD_HEADER) : stream.skip(total - RECORD_HEADER);
    if (body === null) throw new Error(`the WAL ends within a record, before ${end}`);
    if (body instanceof Buffer) {
      commits.push({ xids: [head.readUInt32LE(4), ...subtransactions(body, info)], end: stream.position });
    }
  }
}

/** Zeroes follow the last record of a segment that was switched, and the end of what was ever written. */
function endOrThrow(commits: WalCommit[], position: bigint, end: bigint): WalCommit[] {
  if (end - position > PAGE) throw new Error(`no record at ${position}, and the WAL should go on until ${end}`);
  return commits;
}

function subtransactions(body: Buffer, info: number): number[] {
  let at = mainDataAt(body);
  if (at === null || (info & HAS_INFO) === 0) return [];
  at += 8;
  const parts = body.readUInt32LE(at);
  at += 4;
  if ((parts & HAS_DBINFO) !== 0) at += 8;
  if ((parts & HAS_SUBXACTS) === 0) return [];
  const count = body.readInt32LE(at);
  return Array.from({ length: count }, (_, i) => body.readUInt32LE(at + 4 + 4 * i));
}

/** A commit holds no blocks: only the main data, after an origin and a top-level xid where they are. */
function mainDataAt(body: Buffer): number | null {
  for (let at = 0; at < body.length; ) {
    const id = body.readUInt8(at);
    if (id === 255) return at + 2;
    if (id === 254) return at + 5;
    if (id === 253) at += 3;
    else if (id === 252) at += 5;
    else return null;
  }
  return null;
}

/** The WAL without its page headers. */
class WalStream {
  readonly #read: ReadWal;
  position: bigint;

  constructor(read: ReadWal, from: bigint) {
    this.#read = read;
    this.position = from;
  }

  align(): void {
    this.position = (this.position + 7n) & ~7n;
    this.#passHeader();
  }

  take(length: number): Buffer | null {
    const parts: Buffer[] = [];
    let left = length;
    while (left > 0) {
      if (!this.#passHeader()) return null;
      const part = this.#read(this.position, Math.min(left, Number(PAGE - (this.position % PAGE))));
      if (part === null) return null;
      parts.push(part);
      left -= part.length;
      this.position += BigInt(part.length);
    }
    return Buffer.concat(parts);
  }

  skip(length: number): 'skipped' | null {
    let left = BigInt(length);
    while (left > 0n) {
      if (!this.#passHeader()) return null;
      const room = PAGE - (this.position % PAGE);
      const part = left < room ? left : room;
      left -= part;
      this.position += part;
    }
    return 'skipped';
  }

  /** False where there is no page. */
  #passHeader(): boolean {
    if (this.position % PAGE !== 0n) return true;
    const head = this.#read(this.position, 4);
    if (head === null) return false;
    this.position += (head.readUInt16LE(2) & XLP_LONG_HEADER) === 0 ? SHORT_HEADER : LONG_HEADER;
    return true;
  }
}
