import type pg from 'pg';
import type { Row } from '../connections.ts';
import { text, textOrNull } from '../connections.ts';
import type { Change } from './changes.ts';

export interface Image {
  readonly xid: string;
  readonly change: Change;
}

const FETCH_ROWS = 1_000;

/**
 * The rows that these transactions left behind, as they are now. Without a slot there is nothing else: not what was there
 * before, not what was deleted, and an update looks like an insert.
 */
export async function* rowImages(
  client: pg.Client,
  tables: readonly string[],
  xids: readonly number[],
): AsyncIterable<Image> {
  const wanted = xids.map(String);
  await client.query('BEGIN');
  try {
    for (const table of tables) {
      const columns = (await client.query<Row>(COLUMNS, [table])).rows;
      if (columns.length === 0) continue;
      const list = columns.map((column) => `t.${text(column, 'name')}::text`).join(', ');
      await client.query(
        `DECLARE images NO SCROLL CURSOR FOR SELECT t.xmin::text AS xid, ARRAY[${list}] AS row FROM ONLY ${table} t WHERE t.xmin::text = ANY ($1)`,
        [wanted],
      );
      for (;;) {
        const { rows } = await client.query<Row>(`FETCH ${FETCH_ROWS} FROM images`);
        if (rows.length === 0) break;
        for (const row of rows) yield { xid: text(row, 'xid'), change: imageOf(table, columns, row) };
      }
      await client.query('CLOSE images');
    }
  } finally {
    await client.query('ROLLBACK').catch(() => undefined);
  }
}

function imageOf(table: string, columns: readonly Row[], row: Row): Change {
  const values = row['row'] as readonly (string | null)[];
  const image = columns.map((column, i) => ({
    name: text(column, 'name'),
    type: textOrNull(column, 'type') ?? '',
    value: values[i] ?? null,
  }));
  return { table, op: 'insert', new: image, old: null, rowUnknown: false };
}

const COLUMNS = `
SELECT quote_ident(attname) AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`;
