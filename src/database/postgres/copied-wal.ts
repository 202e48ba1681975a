import { join } from 'node:path';
import type pg from 'pg';
import type { FarshoreError } from '../../base/errors.ts';
import { assert } from '../../base/result.ts';
import type { BackupPoint } from './base-backup.ts';
import { type Local, type Row, text, within } from './connections.ts';
import { makePrivate } from './files.ts';
import { reserveMemberSlot } from './member-slots.ts';
import { historyName, writeFor } from './wal-segments.ts';
import { WalStream } from './wal-stream.ts';

const HISTORY_TIMEOUT_MS = 5_000;

/**
 * The WAL that a copy needs, from the moment in which the copy begins. BASE_BACKUP itself would send it at its end, when the primary may
 * have removed it: a copy during which more was written than the primary keeps could never be made (src/drills/LEDGER.md).
 */
export class CopiedWal {
  readonly #local: Local;
  readonly #folder: string;
  readonly #open: () => Promise<pg.Client>;
  readonly #onFailure: () => void;
  #segmentBytes = 0;
  #stream: WalStream | null = null;
  /** Why the copy can't be whole any more, however it goes on. */
  failure: FarshoreError | null = null;

  /** `open`: a replication connection. `onFailure`: the copy is of no use any more. */
  constructor(local: Local, data: string, open: () => Promise<pg.Client>, onFailure: () => void) {
    this.#local = local;
    this.#folder = join(data, 'pg_wal');
    this.#open = open;
    this.#onFailure = onFailure;
  }

  async reserve(client: pg.Client): Promise<void> {
    const { config, clock } = this.#local;
    const shown = text((await client.query<Row>('SHOW wal_segment_size')).rows[0], 'wal_segment_size');
    this.#segmentBytes = bytesOf(shown);
    await reserveMemberSlot(client, config.node, clock);
    await makePrivate(this.#folder, config.runAs);
  }

  begin({ lsn, timeline }: BackupPoint): void {
    const { config, clock } = this.#local;
    const place = { folder: this.#folder, timeline, segmentBytes: this.#segmentBytes, runAs: config.runAs };
    this.#stream = new WalStream(this.#open, config.node, lsn, place, clock);
    this.#stream.failed.catch((error: FarshoreError) => {
      this.failure = error;
      this.#onFailure();
    });
  }

  /** All WAL is there that makes the copy whole, and the history of its timeline, which a promotion of it goes on with. */
  async reach(client: pg.Client, { lsn, timeline }: BackupPoint): Promise<WalStream> {
    const stream = this.#stream;
    assert(stream !== null, 'a copy that ended had a beginning');
    await stream.reach(lsn);
    if (timeline > 1) {
      const asked = (): Promise<pg.QueryResult<Row>> => client.query<Row>(`TIMELINE_HISTORY ${timeline}`);
      const [row] = (await within(this.#local.clock, HISTORY_TIMEOUT_MS, asked)).rows;
      const content = row?.['content'];
      const history = Buffer.isBuffer(content) ? content : Buffer.from(text(row, 'content'));
      await writeFor(join(this.#folder, historyName(timeline)), history, this.#local.config.runAs);
    }
    return stream;
  }

  async stop(): Promise<void> {
    await this.#stream?.stop().catch(() => undefined);
  }
}

/** PostgreSQL shows a segment's size with the largest unit that fits: `16MB`, `1GB`. */
function bytesOf(shown: string): number {
  const match = /^(\d+)(kB|MB|GB)$/.exec(shown);
  assert(match !== null, `a size: ${shown}`);
  const units: Readonly<Record<string, number>> = { kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };
  return Number(match[1]) * (units[match[2] ?? ''] ?? 0);
}
