import type pg from 'pg';
import type { Row } from '../connections.ts';
import { text } from '../connections.ts';
import type { TableShape } from './replay.ts';

export interface Shapes {
  readonly of: ReadonlyMap<string, TableShape>;
  /** The application's tables, quoted as SQL needs them. */
  readonly tables: readonly string[];
}

/** What the scripts need to know of the application's tables, as this node has them. Names as PostgreSQL quotes them. */
export async function readShapes(client: pg.Client): Promise<Shapes> {
  const { rows } = await client.query<Row>(SHAPES);
  const names = (row: Row, column: string): string[] => (row[column] as string[] | null) ?? [];
  const of = new Map(
    rows.map((row) => [
      text(row, 'name'),
      { key: names(row, 'key'), generated: names(row, 'generated'), full: row['full'] === true },
    ]),
  );
  return { of, tables: [...of.keys()] };
}

const SHAPES = `
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, c.relreplident = 'f' AS full,
  (SELECT array_agg(quote_ident(a.attname)) FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
   WHERE i.indrelid = c.oid AND i.indisprimary) AS key,
  (SELECT array_agg(quote_ident(a.attname)) FROM pg_attribute a
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attgenerated <> '') AS generated
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'farshore')`;

/** Tables, functions and types that these transactions made or changed: the decoded rows say nothing of that. */
export async function schemaChanges(client: pg.Client, xids: readonly number[]): Promise<string[]> {
  const { rows } = await client.query<Row>(SCHEMA_CHANGES, [xids.map(String)]);
  return rows.map((row) => text(row, 'name'));
}

const SCHEMA_CHANGES = `
SELECT DISTINCT name FROM (
  SELECT c.relname::text AS name FROM pg_class c WHERE c.xmin::text = ANY ($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'i')
  UNION ALL SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.xmin::text = ANY ($1)
  UNION ALL SELECT proname FROM pg_proc WHERE xmin::text = ANY ($1)
  UNION ALL SELECT typname FROM pg_type WHERE xmin::text = ANY ($1)
  UNION ALL SELECT conname FROM pg_constraint WHERE xmin::text = ANY ($1)
) changed WHERE name NOT LIKE 'pg_toast%' ORDER BY name`;
