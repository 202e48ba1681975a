import { compareLsn, type Lsn } from '../base/lsn.ts';
import type { DatabaseStatus, RegionDatabase } from '../ports/database.ts';
import type { SyncRecord } from '../ports/records.ts';
import type { Log } from '../telemetry/log.ts';

/** What it lags behind costs decoding at a salvage, which filters; not more WAL than a few checkpoints keep anyway. */
const EVERY_MS = 5_000;

/** P8.3: while this node is primary, its slot stands where every standby that may be promoted is. */
export class SalvageSlot {
  readonly #database: RegionDatabase;
  readonly #log: Log;
  #dueMs = 0;
  #busy = false;
  #said = '';

  constructor(database: RegionDatabase, log: Log) {
    this.#database = database;
    this.#log = log;
  }

  keep(record: SyncRecord, local: DatabaseStatus, nowMs: number): void {
    if (this.#busy || nowMs < this.#dueMs) return;
    this.#busy = true;
    this.#dueMs = nowMs + EVERY_MS;
    void this.#database.keepSalvageSlot(flushedByAll(record, local)).then((kept) => {
      this.#busy = false;
      const said = kept.kind === 'done' ? '' : `${kept.kind}: ${kept.why}`;
      if (said !== this.#said && said !== '') this.#log.warn('salvage-slot', `not kept, ${said}`);
      this.#said = said;
    });
  }
}

/** What each of the recorded names has; null when one is not seen, or when nobody but the primary may be promoted. */
export function flushedByAll(record: SyncRecord, local: DatabaseStatus): Lsn | null {
  const flushed = record.names.map((name) => local.standbys.find((standby) => standby.node === name)?.flushLsn ?? null);
  const known = flushed.filter((lsn) => lsn !== null);
  return known.length < flushed.length ? null : (known.toSorted(compareLsn)[0] ?? null);
}
