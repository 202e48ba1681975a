import { describe, expect, it } from 'vitest';
import { CommitTracker } from './commit.ts';

/** A client's side of a conversation in short: `Q text`, `P name text`, `B portal statement`, `E`, `S`, `H`, `c`, `Z status`, `G`. */
function after(...steps: readonly string[]): CommitTracker {
  const tracker = new CommitTracker();
  for (const step of steps) {
    const [kind = '', ...words] = step.split(' ');
    if (kind === 'Z') tracker.ready(words[0] ?? 'I');
    else if (kind === 'G') tracker.copyIn();
    else {
      const body = bodyOf(kind, words);
      const bytes = Buffer.concat([Buffer.from([kind.charCodeAt(0), 0, 0, 0, 0]), Buffer.from(body)]);
      tracker.message(bytes[0] ?? 0, bytes, 0, bytes.length);
    }
  }
  return tracker;
}

function bodyOf(kind: string, words: readonly string[]): string {
  if (kind === 'Q') return `${words.join(' ')}\0`;
  if (kind === 'P') return `${(words[0] ?? '').replace('_', '')}\0${words.slice(1).join(' ')}\0\0\0`;
  if (kind === 'B') return `${(words[0] ?? '').replace('_', '')}\0${(words[1] ?? '').replace('_', '')}\0\0\0\0\0\0\0`;
  return '';
}

const inBlock = ['Z I', 'Q BEGIN', 'Z T'];

describe('may a commit be in flight (P7.2)', () => {
  const cases: readonly (readonly [string, readonly string[], boolean])[] = [
    ['nothing was sent', ['Z I'], false],
    ['autocommit', ['Z I', 'Q insert into t values (1)'], true],
    ['answered', ['Z I', 'Q insert into t values (1)', 'Z I'], false],
    ['BEGIN', ['Z I', 'Q BEGIN'], false],
    ['BEGIN with more', ['Z I', 'Q BEGIN; insert into t values (1); COMMIT'], true],
    ['a statement in a block', [...inBlock, 'Q select 1'], false],
    ['COMMIT', [...inBlock, 'Q commit'], true],
    ['commit among others', [...inBlock, 'Q insert into t values (1);\n COMMIT'], true],
    ['END', [...inBlock, 'Q end'], true],
    ['END after a comment', [...inBlock, 'Q /* x */ END'], true],
    ['CASE … END', [...inBlock, 'Q select case when true then 1 end'], false],
    ['PREPARE TRANSACTION', [...inBlock, "Q prepare transaction 'x'"], true],
    ['ROLLBACK', [...inBlock, 'Q rollback'], false],
    ['pipelined behind ROLLBACK', [...inBlock, 'Q rollback', 'Q insert into t values (1)'], true],
    ['ROLLBACK and more in one text', [...inBlock, 'Q rollback; insert into t values (1)'], true],
    ['pipelined behind BEGIN that may fail', ['Z I', 'Q BEGIN', 'Q insert into t values (1)'], true],
    ['extended autocommit, before Sync', ['Z I', 'P _ insert', 'B _ _', 'E'], true],
    ['extended autocommit, after Sync', ['Z I', 'P _ insert', 'B _ _', 'E', 'S'], true],
    ['only parsed', ['Z I', 'P s1 commit', 'S'], false],
    ['extended in a block', [...inBlock, 'P _ insert', 'B _ _', 'E', 'S'], false],
    ['extended COMMIT', [...inBlock, 'P _ COMMIT', 'B _ _', 'E', 'S'], true],
    ['prepared COMMIT', ['Z I', 'P s1 COMMIT', 'S', 'Z I', 'Q BEGIN', 'Z T', 'B _ s1', 'E', 'S'], true],
    ['another prepared statement', ['Z I', 'P s1 COMMIT', 'S', 'Z I', 'Q BEGIN', 'Z T', 'B _ s2', 'E', 'S'], false],
    ['a portal of COMMIT kept for later', [...inBlock, 'P _ COMMIT', 'B p _', 'S', 'Z T', 'E', 'S'], true],
    ['BEGIN and INSERT in one batch', ['Z I', 'P _ BEGIN', 'B _ _', 'E', 'P _ insert', 'B _ _', 'E', 'S'], false],
    ['two batches, the first answered', ['Z I', 'B _ s', 'E', 'S', 'B _ s', 'E', 'S', 'Z I'], true],
    ['COPY whose Sync is ignored', ['Z I', 'B _ s', 'E', 'S', 'G', 'c', 'S', 'Z I'], false],
    ['COPY that is running', ['Z I', 'Q copy t from stdin', 'G'], true],
    ['FunctionCall', ['Z I', 'F'], true],
  ];
  it.each(cases)('%s', (_name, steps, expected) => {
    expect(after(...steps).commitInFlight).toBe(expected);
  });

  it('takes a text too long to look into for a commit', () => {
    const tracker = after(...inBlock);
    tracker.large(0x51);
    expect(tracker.commitInFlight).toBe(true);
  });
});
