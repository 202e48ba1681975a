import { Client } from 'pg';
import { dataNodesOf, HOST } from '../../world/layout.ts';
import type { World } from '../../world/open.ts';

/**
 * How many of the acknowledged orders the primary does not have, asked through the `rw` door of a region that answers.
 * Rejects when no region does.
 */
export async function countLost(
  world: World,
  ids: readonly string[],
): Promise<{ readonly lost: number; readonly asked: string }> {
  const failures: string[] = [];
  for (const node of dataNodesOf(world.layout)) {
    const client = new Client({
      host: HOST,
      port: node.ports.rw,
      user: 'app',
      password: world.secrets.appPassword,
      database: 'app',
      connectionTimeoutMillis: 3_000,
    });
    // A connection that breaks says so in the query below.
    client.on('error', () => undefined);
    try {
      await client.connect();
      const found = await client.query<{ count: string }>('SELECT count(*) FROM orders WHERE id = ANY($1)', [ids]);
      return { lost: ids.length - Number(found.rows[0]?.count ?? 0), asked: node.place };
    } catch (error) {
      failures.push(`${node.id}: ${String(error)}`);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  throw new Error(`no region answers: ${failures.join('; ')}`);
}
