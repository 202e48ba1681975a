import type { Connection, Submittable } from 'pg';
import { formatLsn, lsnToBigInt } from '../../base/lsn.ts';
import { type Outcome, refused } from '../../base/result.ts';
import type { Upstream } from '../../ports/database.ts';
import { connectUpstream } from './clone.ts';
import { compareWith } from './compare.ts';
import { type Local, hangUp } from './connections.ts';
import { identifyLocal } from './identify.ts';
import { removeData } from './remove-data.ts';
import type { StatusReader } from './status.ts';

const TIMEOUT_MS = 4_000;
/** A stream that has something to send begins at once; one without has nothing that could be missing. */
const STREAMS_WITHIN_MS = 1_500;
/** `undefined_file`: what a walsender answers when the segment that is asked for is gone. */
const SEGMENT_IS_GONE = '58P01';

/**
 * For a standby that its upstream has left behind: it was away for longer than WAL is kept (`max_slot_wal_keep_size`), and could ask for
 * ever. Nothing is lost with its data when its end is on the upstream's branch and not beyond it (I7); that is looked at again here,
 * while it follows nobody. Refused `can-follow` when the upstream may still have what it needs.
 */
export async function discardBehind(
  local: Local,
  reader: StatusReader,
  upstream: Upstream,
  halt: () => Promise<Outcome<unknown>>,
): Promise<Outcome<void>> {
  const compared = await compareWith(local, await reader.read(), upstream);
  if (compared.kind !== 'done') return compared;
  if (compared.value.verdict !== 'same-branch') return refused(compared.value.verdict, compared.value.why);
  const here = await identifyLocal(local, TIMEOUT_MS);
  const client = await connectUpstream(upstream, await local.secrets(), TIMEOUT_MS);
  const probe = new StreamProbe(here.timeline, await segmentStart(local, here.lsn));
  try {
    client.query(probe);
    const answer = await Promise.race([
      probe.answer,
      local.clock.sleep(STREAMS_WITHIN_MS).then(() => 'streams' as const),
    ]);
    if (answer === 'streams') return refused('can-follow', `${upstream.node} has WAL from ${here.lsn} on`);
    if (answer.code !== SEGMENT_IS_GONE) return refused('can-follow', `${upstream.node} says: ${answer.message}`);
    const stopped = await halt();
    return stopped.kind === 'done' ? await removeData(local) : stopped;
  } finally {
    hangUp(client);
  }
}

/** A WAL receiver asks from the beginning of its segment on. */
async function segmentStart(local: Local, lsn: string): Promise<string> {
  const rows = await local.work.query(
    `SELECT setting::float8 AS bytes FROM pg_settings WHERE name = 'wal_segment_size'`,
    TIMEOUT_MS,
  );
  const bytes = BigInt(Number(rows[0]?.['bytes'] ?? 16_777_216));
  const at = lsnToBigInt(lsn);
  return formatLsn(at - (at % bytes));
}

/** Asks for a stream as a WAL receiver does, without a slot, and looks only at how the answer begins. */
class StreamProbe implements Submittable {
  readonly answer: Promise<'streams' | Refusal>;
  readonly #sql: string;
  #resolve: (answer: 'streams' | Refusal) => void = () => undefined;

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
    this.#resolve({ code: 'code' in error ? String(error.code) : '', message: error.message });
  }
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleReadyForQuery(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
  handleCopyInResponse(): void {}
}

interface Refusal {
  readonly code: string;
  readonly message: string;
}
