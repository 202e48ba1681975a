import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Clock } from '../../base/clock.ts';
import { type NodeId, slug } from '../../base/ids.ts';
import type { PostgresConfig } from '../../ports/config.ts';
import { type Local, type Row, poll, withFresh } from './connections.ts';
import { codeOf } from './files.ts';

/**
 * One physical slot for each other member, on every node: through it a standby streams, and PostgreSQL lets one walsender use it at a
 * time. Without it a standby that connects again before the end of its old connection was noticed has two walsenders, and a quorum
 * counts both (syncrep.c counts walsenders, not names): `ANY 2 (a, b)` was met by `a` alone, and a write that `b` never had was
 * acknowledged (I3; src/drills/LEDGER.md). What is left is the time between a walsender's release of its slot and its end, in which
 * PostgreSQL does nothing else: it would have to stand still exactly there for longer than a standby takes to connect.
 */
export function memberSlot(node: NodeId): string {
  const name = `farshore_member_${slug(node).replaceAll('-', '_').toLowerCase()}`;
  if (name.length <= SLOT_NAME_MAX) return name;
  // Two members must never share a slot: the second would never stream.
  const hash = createHash('sha256').update(node).digest('hex').slice(0, 10);
  return `${name.slice(0, SLOT_NAME_MAX - hash.length - 1)}_${hash}`;
}

const SLOT_NAME_MAX = 63;
const TIMEOUT_MS = 5_000;

const slotsOf = (config: PostgresConfig): readonly string[] =>
  config.members.filter((node) => node !== config.node).map(memberSlot);

/** Makes the slots that are missing, and anew those whose WAL went past `max_slot_wal_keep_size`: those can never be used again. */
export async function keepMemberSlots(client: pg.Client, config: PostgresConfig): Promise<void> {
  const { rows } = await client.query<Row>(HELD, [slotsOf(config)]);
  const lost = rows.filter((row) => row['lost'] === true).map((row) => String(row['name']));
  for (const name of lost) await client.query(DROP, [name]);
  const held = new Set(rows.map((row) => String(row['name'])).filter((name) => !lost.includes(name)));
  for (const name of slotsOf(config)) if (!held.has(name)) await client.query(CREATE, [name]);
}

/** A slot that keeps no WAL yet: it does from its first use on. */
const CREATE = 'SELECT pg_create_physical_replication_slot($1)';
const DROP = 'SELECT pg_drop_replication_slot($1)';
const HELD = `
SELECT slot_name::text AS name, coalesce(wal_status = 'lost', false) AND NOT active AS lost
FROM pg_replication_slots WHERE slot_name = ANY($1)`;

/** The same, right after a start. What fails here is made up for when the node is primary (`keepSalvageSlot`). */
export async function makeMemberSlots(local: Local, database: string): Promise<void> {
  const make = (client: pg.Client): Promise<void> => keepMemberSlots(client, local.config);
  await withFresh(local, TIMEOUT_MS, make, { database }).catch(() => undefined);
}

/** On a node that follows now: slots from its own reign would only keep WAL, so they begin anew. */
export async function renewMemberSlots(local: Local): Promise<void> {
  await local.work.query({ text: RENEW, values: [slotsOf(local.config)] }, TIMEOUT_MS);
}

const RENEW = `
WITH old AS MATERIALIZED (
  SELECT slot_name::text AS name FROM pg_replication_slots WHERE slot_name = ANY($1) AND NOT active AND restart_lsn IS NOT NULL
), dropped AS MATERIALIZED (SELECT name, pg_drop_replication_slot(name) FROM old)
SELECT pg_create_physical_replication_slot(name) FROM dropped`;

const RESERVE_WITHIN_MS = 10_000;
const RESERVE_AGAIN_MS = 100;
/** `undefined_object`, `duplicate_object`, `object_in_use`. */
const [MISSING, THERE_ALREADY, IN_USE] = ['42704', '42710', '55006'];

/**
 * Before this member is copied anew: its own slot at the upstream keeps WAL from now on, until the stream beside the copy takes it. The
 * old one goes: it stands where the data was that is of no use, or has lost its WAL. `client` is a replication connection.
 * A slot that is left when the copy is given up keeps no more than that of a standby that is away (`max_slot_wal_keep_size`).
 */
export async function reserveMemberSlot(client: pg.Client, node: NodeId, clock: Clock): Promise<void> {
  const slot = memberSlot(node);
  let last: unknown = null;
  const reserved = await poll(clock, clock.nowMs() + RESERVE_WITHIN_MS, RESERVE_AGAIN_MS, async () => {
    try {
      await client.query(`DROP_REPLICATION_SLOT ${slot}`).catch(unless(MISSING));
      await client.query(`CREATE_REPLICATION_SLOT ${slot} PHYSICAL (RESERVE_WAL true)`);
      return true;
    } catch (error) {
      // The end of our last connection was not noticed there yet; or the primary, who keeps these slots, was quicker.
      unless(IN_USE, THERE_ALREADY)(error);
      last = error;
      return null;
    }
  });
  if (reserved === null) throw last;
}

function unless(...codes: readonly string[]): (error: unknown) => void {
  return (error) => {
    if (!codes.includes(codeOf(error) ?? '')) throw error;
  };
}
