// The orders: one table, written through `rw` (the primary, wherever it is) and read through `ro` (the nearest fresh replica).
import { DatabaseError, runRepeatable, runSeeing, runSeeingRepeatedly } from './database.mjs';

const WRITE_WITHIN_MS = 4_000;
const READ_WITHIN_MS = 3_000;
// A replica is rarely further behind than this, and a person does not notice it.
const WAIT_FOR_REPLICA_MS = 150;

// Several applications start at once. IF NOT EXISTS alone is no protection against that: two may both see no table and one
// of them fails. The lock lets one in at a time; it ends with the transaction.
const CREATE_TABLE = `
  BEGIN;
  SELECT pg_advisory_xact_lock(hashtext('orders'));
  CREATE TABLE IF NOT EXISTS orders (
    id text PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    item text NOT NULL,
    quantity int NOT NULL,
    region text NOT NULL,
    attempts int NOT NULL DEFAULT 1,
    at timestamptz NOT NULL DEFAULT now());
  CREATE INDEX IF NOT EXISTS orders_seq ON orders (seq);
  COMMIT`;

// The id is chosen by the client, so asking twice adds one order. DO NOTHING would be enough for that, but not for the
// promise: it writes nothing, so its commit waits for no standby, and it could acknowledge a row that only the primary holds.
// Counting the attempt is a write; it is acknowledged when the standbys have it, and with it the order before it.
// `farshore.mark()` names this very write, so it stands in the statement that writes.
const ADD = `
  INSERT INTO orders (id, item, quantity, region) VALUES ($1, $2, $3, $4)
  ON CONFLICT (id) DO UPDATE SET attempts = orders.attempts + 1
  RETURNING id, seq::float8 AS seq, item, quantity, region, attempts, farshore.mark() AS mark`;

const COLUMNS = 'id, seq::float8 AS seq, item, quantity, region, at';

/** Makes the table. Tries until there is a primary that accepts it. */
export async function makeTable(rw, onWaiting) {
  for (;;) {
    try {
      await runRepeatable(rw, CREATE_TABLE, undefined, WRITE_WITHIN_MS);
      return;
    } catch (error) {
      onWaiting(error);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

/**
 * Adds an order once, however often it is asked to. Resolves with `{ order, existed, sameContent, mark }`; `sameContent` is
 * false when the id was used before for something else. Rejects with a DatabaseError. Here as below, `signal` says that the client left.
 */
export async function addOrder(rw, { id, item, quantity }, region, signal) {
  const [row] = await runRepeatable(rw, ADD, [id, item, quantity, region], WRITE_WITHIN_MS, signal);
  const { attempts, mark, ...order } = row;
  return { order, existed: attempts > 1, sameContent: order.item === item && order.quantity === quantity, mark };
}

/**
 * Reads where `seen`, the mark of the client's last write, is there: from the replica if it gets there soon, else from the primary.
 * Without a mark any replica will do. Resolves with `{ rows, from }`; rejects with `WriteLost` when that write is gone.
 */
async function read({ rw, ro }, { seen, signal }, text, values) {
  if (seen === null) return { rows: await runRepeatable(ro, text, values, READ_WITHIN_MS, signal), from: 'replica' };
  const rows = await runSeeing(ro, seen, text, values, WAIT_FOR_REPLICA_MS, signal).catch((error) => {
    if (error instanceof DatabaseError) return null;
    throw error;
  });
  if (rows !== null) return { rows, from: 'replica' };
  return { rows: await runSeeingRepeatedly(rw, seen, text, values, READ_WITHIN_MS, signal), from: 'primary' };
}

/** One order, if it is there: `{ rows, from }`. `asked`: what the client has `seen`, and `signal`. */
export const findOrder = (pools, asked, id) => read(pools, asked, `SELECT ${COLUMNS} FROM orders WHERE id = $1`, [id]);

export const newestOrders = (pools, asked, limit) =>
  read(pools, asked, `SELECT ${COLUMNS} FROM orders ORDER BY seq DESC LIMIT $1`, [limit]);

/** Can this database be asked now? Resolves with milliseconds, rejects with a DatabaseError. */
export async function ping(pool) {
  const startedMs = performance.now();
  await runRepeatable(pool, 'SELECT 1', undefined, 0);
  return Math.round(performance.now() - startedMs);
}
