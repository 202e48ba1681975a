import type { Change, Column } from './changes.ts';

/** What a script needs to know of a table. Names are SQL identifiers as PostgreSQL quotes them. */
export interface TableShape {
  /** Columns that say which row it is: the primary key; empty without one. */
  readonly key: readonly string[];
  /** Columns that can't be written. */
  readonly generated: readonly string[];
  /** REPLICA IDENTITY FULL: the WAL holds the whole old row. */
  readonly full: boolean;
}

const UNKNOWN: TableShape = { key: [], generated: [], full: false };

/** The head of every script: what the text of the values depends on. */
export const SCRIPT_HEAD = `SET standard_conforming_strings = on;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
SET IntervalStyle = 'postgres';
`;

/** One change as a statement that does nothing where somebody else has written since. A comment where none can be made. */
export function replay(change: Change, shape: TableShape = UNKNOWN): string {
  switch (change.op) {
    case 'insert':
      return insert(change, shape);
    case 'update':
      return update(change, shape);
    case 'delete':
      return remove(change, shape);
    case 'truncate':
      return `-- TRUNCATE ${change.table}; left out: it would also remove what was written since`;
  }
}

function insert({ table, new: row }: Change, shape: TableShape): string {
  const columns = writable(row, shape);
  if (columns.length === 0) return `-- INSERT into ${table}: no column to write`;
  const names = columns.map((column) => column.name).join(', ');
  const values = columns.map((column) => literal(column.value)).join(', ');
  return `INSERT INTO ${table} (${names}) OVERRIDING SYSTEM VALUE VALUES (${values}) ON CONFLICT DO NOTHING;`;
}

function update({ table, new: row, old }: Change, shape: TableShape): string {
  const columns = writable(row, shape);
  // Without an old key in the WAL the key did not change: the new row has it.
  const where = guard(old ?? keyOf(row, shape), shape);
  if (where === null || columns.length === 0) return `-- UPDATE of ${table}: the WAL does not say which row it was`;
  const sets = columns.map((column) => `${column.name} = ${literal(column.value)}`).join(', ');
  return `UPDATE ${table} SET ${sets} WHERE ${where};${byKeyOnly(shape)}`;
}

function remove({ table, old }: Change, shape: TableShape): string {
  const where = old === null ? null : guard(old, shape);
  if (where === null) return `-- DELETE from ${table}: the WAL does not say which row it was`;
  return `DELETE FROM ${table} WHERE ${where};${byKeyOnly(shape)}`;
}

const byKeyOnly = (shape: TableShape): string => (shape.full ? '' : ' -- guarded by its key only');

const writable = (row: readonly Column[] | null, shape: TableShape): readonly Column[] =>
  (row ?? []).filter((column) => !shape.generated.includes(column.name));

const keyOf = (row: readonly Column[] | null, shape: TableShape): readonly Column[] =>
  (row ?? []).filter((column) => shape.key.includes(column.name));

/** Key columns by their own equality, so that an index is used; the others as text, which every type has. */
function guard(old: readonly Column[], shape: TableShape): string | null {
  if (old.length === 0) return null;
  // Old rows are written without the columns that were null.
  return old
    .map(({ name, value }) =>
      shape.key.includes(name) || !shape.full ? `${name} = ${literal(value)}` : `${name}::text = ${literal(value)}`,
    )
    .join(' AND ');
}

export const literal = (value: string | null): string => (value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`);
