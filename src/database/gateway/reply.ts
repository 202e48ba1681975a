import type { CommitTracker } from './commit.ts';
import { MessageScanner, type MessageVisitor } from './scan.ts';
import { fieldOf } from './wire.ts';

/** What the server's messages mean for the gateway. Called while a chunk is read, in order. */
export interface ReplyEvents {
  /** BackendKeyData: pid and secret in hex, as a CancelRequest would carry them. */
  cancelKey(key: string): void;
  /** ReadyForQuery, after the tracker was told. */
  ready(): void;
  error(sqlState: string, isFatal: boolean): void;
}

const NOTHING: readonly Buffer[] = [];
/** Longest hold-back of an answer: more than this after a CommandComplete is no acknowledgement that fits in one flush. */
const MAX_HELD_BYTES = 65_536;

const COMMAND_COMPLETE = 0x43;
const READY_FOR_QUERY = 0x5a;
const NOTICE = 0x4e;
const ERROR = 0x45;
const KEY_DATA = 0x4b;
const COPY_IN = 0x47;
const COPY_BOTH = 0x57;

/**
 * What of the server's bytes the client may see (P7.3). Pure: chunks in, buffers out.
 *
 * In the extended protocol PostgreSQL sends CommandComplete, then waits for its standbys at Sync, and when that wait is
 * cancelled says so in a notice before ReadyForQuery. So CommandComplete and all after it is kept back until
 * ReadyForQuery came, provided that it will come: without a Sync sent the client may be waiting for just this message
 * (Flush), and nothing was committed yet.
 */
export class ReplyFilter implements MessageVisitor {
  readonly #scanner = new MessageScanner();
  readonly #tracker: CommitTracker;
  readonly #events: ReplyEvents;
  /** What is handed out for this chunk: nearly always one buffer, and then no new array is made for it. */
  #first: Buffer | null = null;
  readonly #one: Buffer[] = [];
  #more: Buffer[] = [];
  #held: Buffer[] = [];
  #holding = false;
  #heldBytes = 0;
  /** Start in the present buffer of what was neither handed out nor put into `#held`. */
  #from = 0;
  /** Where in the present buffer the hold began. */
  #holdFrom = 0;

  /** A wait for synchronous replication was cancelled: the commit is no acknowledgement. Nothing is handed out any more. */
  syncWaitCancelled = false;

  constructor(tracker: CommitTracker, events: ReplyEvents) {
    this.#tracker = tracker;
    this.#events = events;
  }

  /** True when an ErrorResponse cannot be put into the stream any more: the client is inside a message. */
  get insideMessage(): boolean {
    return this.#scanner.insideMessage;
  }

  /**
   * Takes a chunk and returns what may be written to the client now: usually that chunk, untouched. Neither is used
   * after the next call.
   * @throws ProtocolError
   */
  feed(chunk: Buffer): readonly Buffer[] {
    this.#first = null;
    this.#scanner.scan(chunk, this);
    if (this.#first === null) return NOTHING;
    this.#one[0] = this.#first;
    if (this.#more.length === 0) return this.#one;
    const all = [this.#first, ...this.#more];
    this.#more = [];
    return all;
  }

  begin(start: number): void {
    this.#from = start;
    this.#holdFrom = start;
  }

  message(type: number, bytes: Buffer, start: number, end: number): boolean {
    switch (type) {
      case COMMAND_COMPLETE:
        if (!this.#holding && this.#tracker.answerDue) {
          this.#holding = true;
          this.#heldBytes = 0;
          this.#holdFrom = start;
        }
        break;
      case READY_FOR_QUERY:
        this.#release();
        this.#tracker.ready(String.fromCharCode(bytes[start + 5] ?? 0));
        this.#events.ready();
        return true;
      case NOTICE:
        if (fieldOf(bytes, start, end, 'R') === 'SyncRepWaitForLSN') return this.#stop(bytes, start);
        break;
      case ERROR: {
        const severity = fieldOf(bytes, start, end, 'V');
        this.#events.error(fieldOf(bytes, start, end, 'C') ?? '', severity === 'FATAL' || severity === 'PANIC');
        break;
      }
      case KEY_DATA:
        this.#events.cancelKey(bytes.toString('hex', start + 5, end));
        break;
      case COPY_IN:
      case COPY_BOTH:
        this.#tracker.copyIn();
        this.#release(); // the client has to act
        return true;
      default:
        break;
    }
    if (this.#holding) this.#count(end - start);
    return true;
  }

  large(_type: number, length: number): void {
    if (this.#holding) this.#count(length);
  }

  visited(bytes: Buffer, end: number): void {
    const cut = this.#holding ? this.#holdFrom : end;
    if (this.#from === 0 && cut === bytes.length) this.#give(bytes);
    else if (cut > this.#from) this.#give(bytes.subarray(this.#from, cut));
    // Held longer than the chunk is ours.
    if (end > cut) this.#held.push(Buffer.from(bytes.subarray(cut, end)));
  }

  #give(bytes: Buffer): void {
    if (this.#first === null) this.#first = bytes;
    else this.#more.push(bytes);
  }

  #count(length: number): void {
    this.#heldBytes += length;
    if (this.#heldBytes > MAX_HELD_BYTES) this.#release();
  }

  #release(): void {
    this.#holding = false;
    if (this.#held.length === 0) return;
    for (const bytes of this.#held) this.#give(bytes);
    this.#held = [];
  }

  #stop(bytes: Buffer, start: number): false {
    this.syncWaitCancelled = true;
    const cut = this.#holding ? this.#holdFrom : start;
    if (cut > this.#from) this.#give(bytes.subarray(this.#from, cut));
    this.#held = [];
    return false;
  }
}
