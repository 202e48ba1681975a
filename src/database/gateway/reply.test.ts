import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommitTracker } from './commit.ts';
import { ReplyFilter } from './reply.ts';
import { MessageScanner } from './scan.ts';

const message = (type: string, body: Buffer | string): Buffer => {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeInt32BE(bytes.length + 4, 1);
  return Buffer.concat([head, bytes]);
};
const ready = (status: string): Buffer => message('Z', status);
const complete = message('C', 'INSERT 0 1\0');
const notice = (routine: string): Buffer => message('N', `SWARNING\0VWARNING\0C01000\0Mcanceling\0R${routine}\0\0`);
const query = message('Q', 'insert into t values (1)\0');

/** Sends `requests` to the tracker, then `replies` cut at `cuts`; returns what the client would see and the events. */
function run(requests: readonly Buffer[], replies: Buffer, cuts: readonly number[]) {
  const tracker = new CommitTracker();
  for (const request of requests) tracker.message(request[0] ?? 0, request, 0, request.length);
  const events: string[] = [];
  const filter = new ReplyFilter(tracker, {
    cancelKey: (key) => events.push(`key ${key}`),
    ready: () => events.push(`ready ${tracker.status}`),
    error: (sqlState, isFatal) => events.push(`error ${sqlState} ${isFatal}`),
  });
  const seen: Buffer[] = [];
  const ends = [...new Set(cuts.map((cut) => cut % (replies.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const end of [...ends, replies.length]) {
    if (filter.syncWaitCancelled) break;
    seen.push(...filter.feed(replies.subarray(from, end)));
    from = end;
  }
  return {
    seen: Buffer.concat(seen),
    events,
    cancelled: filter.syncWaitCancelled,
    inside: filter.insideMessage,
    tracker,
  };
}

const anyReply = fc.oneof(
  fc.constant(complete),
  fc.constant(ready('I')),
  fc.constant(ready('T')),
  fc.constant(notice('exec_stmt_raise')),
  fc.constant(message('E', 'SERROR\0VERROR\0C57014\0Mcanceling statement\0\0')),
  fc.constant(message('K', Buffer.from([0, 0, 1, 2, 9, 8, 7, 6]))),
  fc.constant(message('G', Buffer.from([0, 0, 0]))),
  fc.integer({ min: 0, max: 300 }).map((size) => message('D', Buffer.alloc(size, 7))),
  fc.integer({ min: 16_000, max: 90_000 }).map((size) => message('D', Buffer.alloc(size, 8))),
);
const anySync = fc.oneof(anyReply, fc.constant(notice('SyncRepWaitForLSN')));
const cuts = fc.array(fc.nat(400_000), { maxLength: 40 });
const requests = fc.constantFrom<readonly Buffer[]>([], [query], [query, query, query]);

describe('what the client may see (P7.3)', () => {
  it('is the same bytes and events however the stream is cut', () => {
    fc.assert(
      fc.property(requests, fc.array(anySync, { maxLength: 12 }), cuts, (sent, replies, where) => {
        const stream = Buffer.concat(replies);
        const whole = run(sent, stream, []);
        const cut = run(sent, stream, where);
        expect(cut.seen.equals(whole.seen)).toBe(true);
        expect({ ...cut, seen: 0, tracker: 0 }).toEqual({ ...whole, seen: 0, tracker: 0 });
      }),
      { numRuns: 500 },
    );
  });

  it('is everything when nothing was cancelled and every answer is complete', () => {
    fc.assert(
      fc.property(requests, fc.array(anyReply, { maxLength: 12 }), cuts, (sent, replies, where) => {
        const stream = Buffer.concat([...replies, ready('I')]);
        expect(run(sent, stream, where).seen.equals(stream)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('never has the CommandComplete of a commit whose wait was cancelled, before or after the notice', () => {
    const rows = message('D', 'row');
    const before = Buffer.concat([rows, notice('SyncRepWaitForLSN'), complete, ready('I')]);
    const after = Buffer.concat([rows, complete, notice('SyncRepWaitForLSN'), ready('I')]);
    fc.assert(
      fc.property(fc.constantFrom(before, after), cuts, (stream, where) => {
        const result = run([message('E', '\0\0\0\0\0'), message('S', '')], stream, where);
        expect(result.cancelled).toBe(true);
        expect(result.seen.equals(rows)).toBe(true);
      }),
    );
  });

  it('does not hold an answer that the client waits for before it sends Sync', () => {
    const result = run([message('E', '\0\0\0\0\0'), message('H', '')], complete, []);
    expect(result.seen.equals(complete)).toBe(true);
  });

  it('hands on the chunk itself when nothing is held', () => {
    const tracker = new CommitTracker();
    tracker.message(0x51, query, 0, query.length);
    const filter = new ReplyFilter(tracker, { cancelKey: () => 0, ready: () => 0, error: () => 0 });
    const chunk = Buffer.concat([message('D', 'row'), complete, ready('I')]);
    const out = filter.feed(chunk);
    expect(out.length).toBe(1);
    expect(out[0]?.buffer).toBe(chunk.buffer);
    expect(out[0]?.equals(chunk)).toBe(true);
  });

  it('refuses a length that no message has', () => {
    const scanner = new MessageScanner();
    const nothing = { begin: () => 0, message: () => true, large: () => 0, visited: () => 0 };
    expect(() => scanner.scan(Buffer.from([0x44, 0, 0, 0, 3]), nothing)).toThrow(/length/);
    expect(() => scanner.scan(Buffer.from([0x44, 0xff, 0, 0, 3]), nothing)).toThrow(/length/);
  });
});
