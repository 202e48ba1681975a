import { describe, expect, it } from 'vitest';
import { forkBetween } from './wal-files.ts';
import { type Change, parseDecoded } from './changes.ts';
import { replay } from './replay.ts';

const change = (line: string): Change => {
  const decoded = parseDecoded(line);
  if (decoded.kind !== 'change') throw new Error(decoded.kind);
  return decoded.change;
};

describe('parseDecoded', () => {
  it('reads the borders of a transaction, and leaves messages alone', () => {
    expect(parseDecoded('BEGIN 762')).toEqual({ kind: 'begin', xid: '762' });
    expect(parseDecoded('COMMIT 762 (at 2026-11-27 02:52:27.683846+00)')).toMatchObject({ kind: 'commit', xid: '762' });
    expect(parseDecoded('message: transactional: 1 prefix: farshore, sz: 7 content:barrier').kind).toBe('other');
  });

  it('reads values with quotes, lines and brackets in names, types and text', () => {
    const insert = change(
      `table public."o:dd ""x": INSERT: id[integer]:1 "we]:ird"[text[]]:'{a,"b]: c"}' v[character varying]:'it''s\n"table x: DELETE:"' f[bit]:B'101' n[numeric]:null`,
    );
    expect(insert.table).toBe('public."o:dd ""x"');
    expect(insert.new).toEqual([
      { name: 'id', type: 'integer', value: '1' },
      { name: '"we]:ird"', type: 'text[]', value: '{a,"b]: c"}' },
      { name: 'v', type: 'character varying', value: `it's\n"table x: DELETE:"` },
      { name: 'f', type: 'bit', value: '101' },
      { name: 'n', type: 'numeric', value: null },
    ]);
  });

  it('knows old keys, large values that did not change, and rows that the WAL does not name', () => {
    const update = change(
      "table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2 big[text]:unchanged-toast-datum v[text]:'x'",
    );
    expect(update.old).toEqual([{ name: 'id', type: 'integer', value: '1' }]);
    expect(update.new?.map((column) => column.name)).toEqual(['id', 'v']);
    expect(change('table public.t: DELETE: (no-tuple-data)')).toMatchObject({ rowUnknown: true, old: null });
    expect(change('table public.a, public.b: TRUNCATE: restart_seqs cascade')).toMatchObject({
      table: 'public.a, public.b',
    });
  });

  it('refuses a line that it does not understand, without repeating it', () => {
    expect(() => parseDecoded("table public.t: MERGE: secret[text]:'s3cret'")).toThrow(/an operation/);
    expect(() => parseDecoded("table public.t: INSERT: secret[text]'s3cret'")).not.toThrow(/s3cret/);
  });
});

describe('replay', () => {
  const shape = { key: ['id'], generated: ['twice'], full: false };
  const text = (line: string, over = {}) => replay(change(line), { ...shape, ...over });

  it('inserts what is not there, without generated columns', () => {
    expect(text("table public.t: INSERT: id[integer]:1 v[text]:'it''s' twice[integer]:2")).toBe(
      "INSERT INTO public.t (id, v) OVERRIDING SYSTEM VALUE VALUES ('1', 'it''s') ON CONFLICT DO NOTHING;",
    );
  });

  it('guards by the old key, else by the new row, else makes a comment', () => {
    expect(text("table public.t: UPDATE: id[integer]:1 v[text]:'x'")).toContain(
      "SET id = '1', v = 'x' WHERE id = '1'; -- guarded by its key only",
    );
    expect(text('table public.t: UPDATE: old-key: id[integer]:1 new-tuple: id[integer]:2')).toContain("WHERE id = '1'");
    expect(text('table public.t: UPDATE: v[integer]:1')).toMatch(/^-- UPDATE/);
    expect(text('table public.t: DELETE: (no-tuple-data)')).toMatch(/^-- DELETE/);
    expect(text('table public.t: TRUNCATE: (no-flags)')).toMatch(/^-- TRUNCATE/);
  });

  it('guards by every old value that the WAL has', () => {
    expect(text("table public.t: DELETE: id[integer]:1 j[json]:'{}'", { full: true })).toBe(
      "DELETE FROM public.t WHERE id = '1' AND j::text = '{}';",
    );
  });
});

describe('forkBetween', () => {
  const branch = (timeline: number, lsn: string, ...left: [number, string][]) => ({
    timeline,
    lsn,
    history: left.map(([of, at]) => ({ timeline: of, lsn: at })),
  });

  it('is where the upstream left the timeline that both have last', () => {
    expect(forkBetween(branch(1, '0/900'), branch(2, '0/A00', [1, '0/500']))).toBe('0/500');
    expect(forkBetween(branch(2, '0/900', [1, '0/500']), branch(3, '0/B00', [1, '0/500'], [2, '0/800']))).toBe('0/800');
  });

  it('is further back when this node made a timeline of its own', () => {
    expect(forkBetween(branch(3, '0/900', [1, '0/600']), branch(2, '0/A00', [1, '0/500']))).toBe('0/500');
    expect(forkBetween(branch(2, '0/900', [1, '0/600']), branch(2, '0/A00', [1, '0/500']))).toBe('0/500');
    expect(forkBetween(branch(5, '0/900'), branch(2, '0/A00', [1, '0/500']))).toBeNull();
  });
});
