import type pg from 'pg';
import type { Lsn } from '../../../base/lsn.ts';
import { compareLsn } from '../../../base/lsn.ts';
import { type Outcome, done, refused } from '../../../base/result.ts';
import { type Local, type Row, textOrNull, withFresh } from '../connections.ts';
import { keepMemberSlots } from '../member-slots.ts';

/** The logical slot that keeps what a standby might never get (P8.3). Shipped with PostgreSQL, and needs no publication. */
export const SLOT = 'farshore_salvage';
const PLUGIN = 'test_decoding';
const TIMEOUT_MS = 10_000;

export interface SlotSeen {
  /** False when `max_slot_wal_keep_size` or a conflict took its WAL away. */
  readonly usable: boolean;
  readonly confirmedLsn: Lsn | null;
}

export async function seeSlot(client: pg.Client): Promise<SlotSeen | null> {
  const { rows } = await client.query<Row>(SEEN, [SLOT]);
  const [row] = rows;
  if (row === undefined) return null;
  return { usable: row['usable'] === true, confirmedLsn: textOrNull(row, 'confirmed') };
}

const SEEN = `
SELECT coalesce(wal_status, 'lost') <> 'lost' AS usable, confirmed_flush_lsn::text AS confirmed
FROM pg_replication_slots WHERE slot_name = $1`;

/**
 * On a primary: the slot is there, and stands at `flushed`, which every standby that may be promoted has. Never beyond:
 * what comes after is what this node alone may hold. null: leave it where it is. One that lost its WAL begins anew.
 * `recoveryEnded`: for a node that is promoted now.
 */
export async function keepSalvageSlot(
  local: Local,
  flushed: Lsn | null,
  recoveryEnded: Promise<unknown> = Promise.resolve(),
): Promise<Outcome<void>> {
  return withFresh(local, TIMEOUT_MS, async (client) => {
    // Three lines in the server's log at each move say nothing to anybody.
    await client.query("SET log_min_messages = 'fatal'");
    await keepMemberSlots(client, local.config);
    await recoveryEnded;
    const { rows } = await client.query<Row>('SELECT pg_is_in_recovery() AS recovery');
    if (rows[0]?.['recovery'] !== false) return refused('not-primary', 'a standby keeps no salvage slot of its own');
    const seen = await seeSlot(client);
    if (seen === null || !seen.usable) {
      if (seen !== null) await client.query('SELECT pg_drop_replication_slot($1)', [SLOT]);
      await client.query('SELECT pg_create_logical_replication_slot($1, $2)', [SLOT, PLUGIN]);
      return done(undefined);
    }
    if (flushed === null || compareLsn(flushed, seen.confirmedLsn ?? '0/0') <= 0) return done(undefined);
    await client.query('SELECT pg_replication_slot_advance($1, $2::pg_lsn)', [SLOT, flushed]);
    return done(undefined);
  });
}

/** A standby that follows holds nothing of its own: a slot from its reign would only keep WAL. */
export async function dropSalvageSlot(local: Local): Promise<void> {
  await local.work.query(
    {
      text: 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active',
      values: [SLOT],
    },
    TIMEOUT_MS,
  );
}
