import type pg from 'pg';
import type { Connection, Submittable } from 'pg';
import type { Clock } from '../../base/clock.ts';
import { formatLsn, type Lsn, lsnToBigInt } from '../../base/lsn.ts';

/** A stream that has something to send begins at once; one without has nothing that could be missing. */
const STREAMS_WITHIN_MS = 1_500;
/** `undefined_file`: what a walsender answers when the segment that is asked for is gone. */
const SEGMENT_IS_GONE = '58P01';

/**
 * Has the upstream removed the WAL that a standby at `lsn` needs next? Then the standby, away for longer than WAL is kept
 * (`max_slot_wal_keep_size`), could ask for ever. The replication connection is of no more use after this.
 */
export async function isBehindAllWal(
  client: pg.Client,
  at: { readonly timeline: number; readonly lsn: Lsn },
  segmentBytes: number,
  clock: Clock,
): Promise<boolean> {
  const probe = new StreamProbe(at.timeline, segmentStart(at.lsn, segmentBytes));
  client.query(probe);
  const answer = await Promise.race([probe.answer, clock.sleep(STREAMS_WITHIN_MS).then(() => 'streams')]);
  return answer === SEGMENT_IS_GONE;
}

/** A WAL receiver asks from the beginning of its segment on. */
function segmentStart(lsn: Lsn, segmentBytes: number): Lsn {
  const at = lsnToBigInt(lsn);
  return formatLsn(at - (at % BigInt(segmentBytes)));
}

/** Asks for a stream as a WAL receiver does, without a slot, and looks only at how the answer begins. */
class StreamProbe implements Submittable {
  /** `streams`, or the code of the error. */
  readonly answer: Promise<string>;
  readonly #sql: string;
  #resolve: (answer: string) => void = () => undefined;

  constructor(timeline: number, from: string) {
    this.#sql = `START_REPLICATION PHYSICAL ${from} TIMELINE ${timeline}`;
    this.answer = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  submit(connection: Connection): void {
    connection.query(this.#sql);
  }

  handleCopyData(): void {
    this.#resolve('streams');
  }
  /** The timeline ends where we do: nothing of it is missing. */
  handleCommandComplete(): void {
    this.#resolve('streams');
  }
  handleError(error: Error): void {
    this.#resolve('code' in error ? String(error.code) : '');
  }
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleReadyForQuery(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
}
