import type pg from 'pg';
import { messageOf } from '../../../base/errors.ts';
import { compareLsn, formatLsn, lsnToBigInt } from '../../../base/lsn.ts';
import { type Outcome, done, refused } from '../../../base/result.ts';
import type { DatabaseStatus, Salvage, Upstream } from '../../../ports/database.ts';
import { connectUpstream } from '../clone.ts';
import { APP_DATABASE, type Local, connectLocally, hangUp, within } from '../connections.ts';
import { asFarshoreError } from '../files.ts';
import { type Identity, identify, identifyLocal, timelineHistory } from '../identify.ts';
import { removeData } from '../remove-data.ts';
import { majorOf, versionOf } from '../run-tool.ts';
import { parseDecoded } from './changes.ts';
import { SalvageFiles, type Transaction, readSalvages } from './files.ts';
import { rowImages } from './images.ts';
import { type Shapes, readShapes, schemaChanges } from './shapes.ts';
import { type SlotSeen, seeSlot } from './slot.ts';
import { type DecodedSource, VALUE_SETTINGS, decodeHere, decodeOnCopy } from './source.ts';
import { type WalCommit, commitsIn } from './wal-commits.ts';
import { forkBetween, localHistory, openWal } from './wal-files.ts';

const TIMEOUT_MS = 5_000;
/** Decoding on a standby came with this version. */
const DECODES_ON_STANDBY = 16;

/** What is known before anything is read. */
interface Case {
  readonly local: Local;
  readonly operation: string;
  readonly here: Identity;
  readonly forkLsn: string;
  readonly slot: SlotSeen | null;
  readonly shapes: Shapes;
  /** Every commit beyond the fork, from the WAL's own bytes; null when they can't be read. */
  readonly commits: readonly WalCommit[] | null;
  /** What the files will not hold. */
  readonly missing: string[];
  readonly startedMs: number;
}

/**
 * P8.3, on an isolated standby that was compared and is diverged. With the slot of its reign every change beyond the fork
 * is decoded; without it only the rows that were left can be read.
 */
export async function salvage(
  local: Local,
  status: DatabaseStatus,
  upstream: Upstream,
  operation: string,
  halt: () => Promise<Outcome<unknown>>,
): Promise<Outcome<Salvage>> {
  if (status.state !== 'standby' || !status.localWalReplayed)
    return refused('not-isolated', 'only a standby that has replayed all its WAL can be read');
  const options = { database: APP_DATABASE, timeoutMs: TIMEOUT_MS };
  const client = await connectLocally(local.config, await local.secrets(), options);
  try {
    for (const setting of VALUE_SETTINGS) await client.query(`SET ${setting}`);
    const known = await look(local, client, upstream, operation);
    if (known.kind !== 'done') return known;
    return done(await write(known.value, client, halt));
  } catch (error) {
    return refused(asFarshoreError(error).code, `nothing was saved: ${messageOf(error)}`);
  } finally {
    hangUp(client);
  }
}

async function look(local: Local, client: pg.Client, upstream: Upstream, operation: string): Promise<Outcome<Case>> {
  const startedMs = local.clock.nowMs();
  const here = await identifyLocal(local, TIMEOUT_MS);
  const there = await identifyUpstream(local, upstream);
  const mine = { ...here, history: await localHistory(local.config.dataDir, here.timeline) };
  const forkLsn = forkBetween(mine, there);
  if (forkLsn === null) return refused('no-common-branch', 'the two have no timeline in common');
  const missing: string[] = [];
  const commits = scan(local.config.dataDir, here, forkLsn, missing);
  const changed =
    commits === null
      ? []
      : await schemaChanges(
          client,
          commits.flatMap((commit) => commit.xids),
        );
  if (changed.length > 0) missing.push(`changes of the schema (${changed.slice(0, 10).join(', ')})`);
  const slot = await seeSlot(client);
  const shapes = await readShapes(client);
  return done({ local, operation, here, forkLsn, slot, shapes, commits, missing, startedMs });
}

async function identifyUpstream(local: Local, upstream: Upstream) {
  const client = await connectUpstream(upstream, await local.secrets(), TIMEOUT_MS);
  try {
    return await within(local.clock, TIMEOUT_MS, async () => {
      const there = await identify(client);
      return { ...there, history: await timelineHistory(client, there.timeline) };
    });
  } finally {
    hangUp(client);
  }
}

function scan(dataDir: string, here: Identity, forkLsn: string, missing: string[]): readonly WalCommit[] | null {
  const wal = openWal(dataDir, here.timeline);
  try {
    return commitsIn(wal.read, lsnToBigInt(forkLsn), lsnToBigInt(here.lsn));
  } catch (error) {
    missing.push(`whether the schema was changed (${messageOf(error)})`);
    return null;
  } finally {
    wal.close();
  }
}

async function write(known: Case, client: pg.Client, halt: () => Promise<Outcome<unknown>>): Promise<Salvage> {
  const { slot, forkLsn, missing } = known;
  if (slot?.usable === true) {
    if (compareLsn(slot.confirmedLsn ?? '0/0', forkLsn) > 0)
      missing.push(`changes from ${forkLsn} to ${slot.confirmedLsn}, which the slot had left behind`);
    return writeDecoded(known, await openSource(known.local, client, halt));
  }
  missing.unshift(
    `images only, deletes and old values unknown (${slot === null ? 'no slot' : 'its slot lost its WAL'})`,
  );
  return writeImages(known, client);
}

async function openSource(
  local: Local,
  client: pg.Client,
  halt: () => Promise<Outcome<unknown>>,
): Promise<DecodedSource> {
  if (majorOf(await versionOf(local.config, local.config.runAs)) >= DECODES_ON_STANDBY) return decodeHere(client);
  const halted = await halt();
  if (halted.kind !== 'done') throw new Error(`PostgreSQL was not stopped: ${halted.why}`);
  return decodeOnCopy(local);
}

async function writeDecoded(known: Case, source: DecodedSource): Promise<Salvage> {
  const files = await begin(known, 'decoded');
  try {
    const beyond = await commitsBeyond(source, known.forkLsn);
    for await (const { xid, data } of source.rows()) {
      const transaction = beyond.get(xid);
      if (transaction === undefined) continue;
      const line = parseDecoded(data);
      if (line.kind === 'change') await files.add(transaction, line.change);
    }
    if (files.unknownRows > 0)
      known.missing.push(`which rows ${files.unknownRows} changes were of (tables without a primary key)`);
    return await files.finish(rest(known, 'decoded'));
  } catch (error) {
    await files.discard();
    throw error;
  } finally {
    await source.close();
  }
}

/** A transaction belongs when its commit ends beyond the fork; the changes of one that does come before its commit. */
async function commitsBeyond(source: DecodedSource, forkLsn: string): Promise<ReadonlyMap<string, Transaction>> {
  const found = new Map<string, Transaction>();
  for await (const { lsn, data } of source.rows()) {
    if (!data.startsWith('COMMIT ') || compareLsn(lsn, forkLsn) <= 0) continue;
    const line = parseDecoded(data);
    if (line.kind === 'commit') found.set(line.xid, { xid: line.xid, commitLsn: lsn, at: line.at });
  }
  return found;
}

async function writeImages(known: Case, client: pg.Client): Promise<Salvage> {
  const { commits } = known;
  if (commits === null) throw new Error('neither the slot nor the WAL beyond the fork can be read');
  const files = await begin(known, 'images');
  try {
    const byXid = new Map(
      commits.flatMap(({ xids, end }) =>
        xids.map((xid) => [String(xid), { xid: String(xids[0]), commitLsn: formatLsn(end), at: null }]),
      ),
    );
    for await (const { xid, change } of rowImages(client, known.shapes.tables, [...byXid.keys()].map(Number))) {
      await files.add(byXid.get(xid) ?? { xid, commitLsn: null, at: null }, change, 'image');
    }
    return await files.finish(rest(known, 'images'));
  } catch (error) {
    await files.discard();
    throw error;
  }
}

function begin(known: Case, how: 'decoded' | 'images'): Promise<SalvageFiles> {
  const { local, operation, here, forkLsn } = known;
  const about = [
    `What ${local.config.node} held alone when ${operation} left it behind: timeline ${here.timeline}, from ${forkLsn} to ${here.lsn}.`,
    how === 'decoded'
      ? 'Every change, in the order of the commits.'
      : 'Rows as they were left; deletes and old values are not known.',
    'Nothing here was run. Read it, then run it on the primary with psql -v ON_ERROR_STOP=1 -f.',
    'A statement does nothing where its row is there already, or is not as it was.',
    "Farshore's own tables (farshore.epoch, farshore.heartbeat) are left out.",
  ];
  return SalvageFiles.begin(local.config, operation, about, known.shapes.of);
}

function rest(known: Case, how: Salvage['how']) {
  const { local, operation, here, forkLsn, missing, startedMs } = known;
  return {
    operation,
    node: local.config.node,
    atWallMs: local.clock.wallMs(),
    tookMs: Math.round(local.clock.nowMs() - startedMs),
    how,
    complete: missing.length === 0,
    why:
      missing.length === 0 ? 'every change beyond the fork is in the files' : `not in the files: ${missing.join('; ')}`,
    timeline: here.timeline,
    forkLsn,
    endLsn: here.lsn,
  };
}

export const NOT_SAVED = ['not-saved', 'the salvage of this data is not complete: it is kept (I7)'] as const;

/** Is everything that this node holds alone in the files of `saved`, on disk? */
export async function isSaved(local: Local, saved: Salvage): Promise<boolean> {
  const onDisk = (await readSalvages(local.config)).find((it) => it.folder === saved.folder);
  return onDisk !== undefined && onDisk.complete && onDisk.node === local.config.node;
}

/** I7: only what is on disk elsewhere, whole, is removed. */
export const discard = async (local: Local, saved: Salvage): Promise<Outcome<void>> =>
  (await isSaved(local, saved)) ? removeData(local) : refused(...NOT_SAVED);
