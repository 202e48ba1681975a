import pg from 'pg';
import { FarshoreError } from '../../base/errors.ts';
import type { Lsn } from '../../base/lsn.ts';
import type { Fork } from '../../ports/database.ts';
import type { Local, Row } from './connections.ts';
import { text } from './connections.ts';

export interface Identity {
  readonly systemId: string;
  /** The timeline that is being replayed (standby) or written (primary). */
  readonly timeline: number;
  /** Its end here: flushed; on a standby received, or replayed when that is further. Read together with `timeline`. */
  readonly lsn: Lsn;
}

/**
 * IDENTIFY_SYSTEM on a replication connection: the only place where PostgreSQL says the timeline of a standby exactly.
 * The control file's is that of the last restart point, which can be older than a promotion already replayed.
 */
export async function identify(client: pg.Client): Promise<Identity> {
  return identityOf((await client.query<Row>('IDENTIFY_SYSTEM')).rows[0]);
}

/** On a connection that lasts: each answer is read from shared memory anew. */
export async function identifyLocal(local: Local, timeoutMs: number): Promise<Identity> {
  return identityOf((await local.identity.query('IDENTIFY_SYSTEM', timeoutMs))[0]);
}

const identityOf = (row: Row | undefined): Identity => ({
  systemId: text(row, 'systemid'),
  timeline: Number(row?.['timeline']),
  lsn: text(row, 'xlogpos'),
});

/** The ancestors of `timeline` and where each was left, oldest first. Timeline 1 has none. */
export async function timelineHistory(client: pg.Client, timeline: number): Promise<Fork[]> {
  if (timeline === 1) return [];
  return historyIn((await client.query<Row>(`TIMELINE_HISTORY ${timeline}`)).rows[0], timeline);
}

export async function localHistory(local: Local, timeline: number, timeoutMs: number): Promise<Fork[]> {
  if (timeline === 1) return [];
  return historyIn((await local.identity.query(`TIMELINE_HISTORY ${timeline}`, timeoutMs))[0], timeline);
}

function historyIn(row: Row | undefined, timeline: number): Fork[] {
  const content = row?.['content'];
  if (!Buffer.isBuffer(content) && typeof content !== 'string')
    throw new FarshoreError('FSH_FAILED', `no history of timeline ${timeline}`);
  return parseHistory(content.toString());
}

/** Lines such as `1<tab>0/4049C60<tab>no recovery target specified`. */
export function parseHistory(content: string): Fork[] {
  return content.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)\b/i.exec(line);
    return match?.[1] === undefined || match[2] === undefined ? [] : [{ timeline: Number(match[1]), lsn: match[2] }];
  });
}
