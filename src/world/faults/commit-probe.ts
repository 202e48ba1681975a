import pg from 'pg';
import type { NodeId, PlaceId } from '../../base/ids.ts';
import { type DataNodeLayout, dataNodesOf } from '../layout.ts';
import type { World } from '../open.ts';

/** A transaction that writes one record of WAL and waits for its own disk alone. */
export const COMMIT = `SET synchronous_commit = local; SELECT pg_catalog.pg_logical_emit_message(true, 'farshore.fault', 'x')`;

/** The open primary, when it is in `target` or is it; null otherwise. */
export async function openPrimaryIn(world: World, target: PlaceId | NodeId): Promise<DataNodeLayout | null> {
  const answers = await world.statuses();
  const open = answers.find((it) => it.answered && it.last?.value.open === true);
  const node = dataNodesOf(world.layout).find((it) => it.id === open?.node);
  return node !== undefined && (node.place === target || node.id === target) ? node : null;
}

/** A session of the administrator over the server's own socket. */
export async function openSession({ secrets }: World, node: DataNodeLayout): Promise<pg.Client> {
  const client = new pg.Client({
    host: node.postgresRunDir,
    port: node.ports.postgres,
    user: 'farshore_admin',
    password: secrets.adminPassword,
    // Not the application's: its owner can set defaults for sessions in it.
    database: 'postgres',
    application_name: 'farshore-fault',
    connectionTimeoutMillis: 3_000,
  });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
