import { ProtocolError } from './wire.ts';

/**
 * Finds the messages in a stream of chunks. Pure.
 *
 * Intuition: a chunk is a train of messages, each with a label (type, length). We walk from label to label without
 * touching the freight and hand the train on as it is. Only a message cut in two by the end of a chunk is put
 * together, and only if it is small; of a large one the rest is waved through. So everything that must be looked at
 * (all of it small) is seen whole, nothing else is copied, and what is handed on ends at a message's end, unless in a large one.
 */
export interface MessageVisitor {
  /** `bytes` is visited from `start` on. */
  begin(start: number): void;
  /** One whole message, header included, in `bytes[start, end)`. Return false to stop for good. */
  message(type: number, bytes: Buffer, start: number, end: number): boolean;
  /** A message too long to be seen whole begins; `length` counts its header. */
  large(type: number, length: number): void;
  /** All up to `end` was visited. */
  visited(bytes: Buffer, end: number): void;
}

/** Messages up to this length are seen whole. Everything a gateway reads is far shorter. */
export const WHOLE_BYTES = 16_384;
/** PostgreSQL's limit for one message. */
const MAX_MESSAGE_BYTES = 0x3fffffff;
const HEADER_BYTES = 5;

export class MessageScanner {
  /** Bytes of a large message still to come. */
  #left = 0;
  /** The beginning of a message that is not whole yet. */
  #tail: Buffer | null = null;

  /** True when what was handed on ends inside a message: nothing can be said to the receiver any more. */
  get insideMessage(): boolean {
    return this.#left > 0;
  }

  /**
   * `chunk` is used only until this returns.
   * @throws ProtocolError for a length that no message has.
   */
  scan(chunk: Buffer, visitor: MessageVisitor): void {
    let from = 0;
    if (this.#tail !== null) {
      from = this.#completeTail(this.#tail, chunk, visitor);
      if (from < 0) return;
    }
    visitor.begin(from);
    let at = from + Math.min(this.#left, chunk.length - from);
    this.#left -= at - from;
    while (chunk.length - at >= HEADER_BYTES) {
      const length = lengthAt(chunk, at);
      const end = at + length;
      if (length > WHOLE_BYTES) {
        visitor.large(chunk[at] ?? 0, length);
        this.#left = Math.max(0, end - chunk.length);
        at = Math.min(end, chunk.length);
      } else if (end <= chunk.length) {
        if (!visitor.message(chunk[at] ?? 0, chunk, at, end)) return;
        at = end;
      } else break;
    }
    if (at > from) visitor.visited(chunk, at);
    this.#tail = at < chunk.length ? Buffer.from(chunk.subarray(at)) : null;
  }

  /** Returns where the chunk goes on, or -1 when the visitor stopped or all of the chunk was needed. */
  #completeTail(tail: Buffer, chunk: Buffer, visitor: MessageVisitor): number {
    const missing = HEADER_BYTES - tail.length;
    if (missing > chunk.length) {
      this.#tail = Buffer.concat([tail, chunk]);
      return -1;
    }
    const head = missing > 0 ? Buffer.concat([tail, chunk.subarray(0, missing)]) : tail;
    const length = lengthAt(head, 0);
    const type = head[0] ?? 0;
    const used = length - tail.length;
    if (used > chunk.length && length <= WHOLE_BYTES) {
      this.#tail = Buffer.concat([tail, chunk]);
      return -1;
    }
    this.#tail = null;
    if (length > WHOLE_BYTES) {
      visitor.begin(0);
      visitor.large(type, length);
      visitor.visited(head, head.length);
      this.#left = length - head.length;
      return head.length - tail.length;
    }
    const whole = Buffer.concat([tail, chunk.subarray(0, used)]);
    visitor.begin(0);
    if (!visitor.message(type, whole, 0, length)) return -1;
    visitor.visited(whole, length);
    return used;
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readInt32BE(at + 1);
  if (length < 4 || length > MAX_MESSAGE_BYTES) throw new ProtocolError(`invalid message length ${length}`);
  return length + 1;
}
