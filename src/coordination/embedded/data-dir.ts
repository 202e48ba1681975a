import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, stat } from 'node:fs/promises';
import { type Server, createServer } from 'node:net';
import { join } from 'node:path';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import { type Change, Engine } from '../engine/engine.ts';
import { Watches } from '../engine/watches.ts';
import { Log, parseLog } from './log.ts';
import { parseSnapshot, snapshotOf, writeSnapshot } from './snapshot.ts';

/** What was read from a data directory, locked by this process until `unlock`. */
export interface OpenedStore {
  readonly clusterId: string;
  readonly engine: Engine;
  readonly watches: Watches;
  readonly log: Log;
  /** Bytes of a write that was cut off by a crash, never answered, and dropped now. */
  readonly tornBytes: number;
  readonly unlock: () => Promise<void>;
}

export const snapshotPath = (dataDir: string): string => join(dataDir, 'snapshot');
export const logPath = (dataDir: string): string => join(dataDir, 'log');
/** What a store that was killed can leave besides: an unfinished file that was never renamed into place. */
const OURS = new Set(['snapshot', 'log', 'snapshot.tmp', 'log.tmp']);

/**
 * Opens the store in `dataDir`, or makes one when the directory is empty or absent.
 * Throws FSH_STATE_BUSY (another server has it), FSH_STATE_FOREIGN (holds something else), FSH_DATA_CORRUPT
 * (damaged, or a file is missing), FSH_NO_PERMISSION. Nothing is changed or deleted then.
 */
export async function openDataDir(dataDir: string, maxBytes: number): Promise<OpenedStore> {
  await makeDirectory(dataDir);
  const unlock = await lockDirectory(dataDir);
  try {
    const names = await readdir(dataDir);
    const strange = names.filter((name) => !OURS.has(name));
    if (strange.length > 0) {
      throw new FarshoreError(
        'FSH_STATE_FOREIGN',
        `${dataDir} holds something that is not a store: ${strange.slice(0, 3).join(', ')}`,
      );
    }
    if (!names.includes('snapshot')) await makeStore(dataDir, names.includes('log'));
    else if (!names.includes('log')) throw missing(logPath(dataDir));
    return { ...(await readStore(dataDir, maxBytes)), unlock };
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** The log comes first, so a log that was never written to is a first start that was killed; any other lost its snapshot. */
async function makeStore(dataDir: string, hasLog: boolean): Promise<void> {
  const path = logPath(dataDir);
  const fresh = !hasLog || parseLog(await readFile(path), path).records.every(({ seq }) => seq === 1);
  if (!fresh) throw missing(snapshotPath(dataDir));
  if (!hasLog) await Log.create(path, 0).then((log) => log.close());
  await writeSnapshot(snapshotPath(dataDir), snapshotOf(newClusterId(), 0, new Engine().state()));
}

async function readStore(dataDir: string, maxBytes: number): Promise<Omit<OpenedStore, 'unlock'>> {
  const snapshot = parseSnapshot(await readFile(snapshotPath(dataDir)), snapshotPath(dataDir));
  const path = logPath(dataDir);
  const contents = parseLog(await readFile(path), path);
  const first = contents.records[0];
  if (first === undefined || first.seq > snapshot.seq + 1) {
    const begins = first === undefined ? 'is empty' : `begins with record ${first.seq}`;
    throw new FarshoreError(
      'FSH_DATA_CORRUPT',
      `the log of the store ${begins}, but the snapshot ends with record ${snapshot.seq}: ${path}. Nothing was changed or deleted`,
    );
  }
  const engine = new Engine(snapshot.state, maxBytes);
  const watches = new Watches(engine.revision);
  let seq = snapshot.seq;
  for (const record of contents.records) {
    // A crash between a new snapshot and a new log leaves records that the snapshot holds already.
    if (record.seq <= snapshot.seq) continue;
    for (const change of record.changes) replay(engine, watches, change, path);
    seq = record.seq;
  }
  const log = await Log.open(path, contents, Math.max(seq, contents.records.at(-1)?.seq ?? 0));
  return { clusterId: snapshot.clusterId, engine, watches, log, tornBytes: contents.tornBytes };
}

function replay(engine: Engine, watches: Watches, change: Change, path: string): void {
  try {
    engine.apply(change);
  } catch (error) {
    throw new FarshoreError(
      'FSH_DATA_CORRUPT',
      `the log of the store does not fit its snapshot: ${path}: ${messageOf(error)}. Nothing was changed or deleted`,
    );
  }
  engine.settle();
  watches.publish(change);
}

const missing = (path: string): FarshoreError =>
  new FarshoreError('FSH_DATA_CORRUPT', `a file of the store is missing: ${path}. Nothing was changed or deleted`);

async function makeDirectory(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new FarshoreError('FSH_NO_PERMISSION', `cannot make ${dataDir}: ${messageOf(error)}`, error);
  }
}

/**
 * One server per directory. The lock is an abstract Unix socket named after the directory's device and inode: the
 * kernel gives it to one process of this machine and takes it back when that process dies, however it dies. There is
 * no stale lock file to judge, and a moved or linked directory has the same lock.
 */
async function lockDirectory(dataDir: string): Promise<() => Promise<void>> {
  const { dev, ino } = await stat(dataDir, { bigint: true });
  const server = createServer((socket) => socket.destroy());
  try {
    await listen(server, `\0farshore-store-${dev}-${ino}`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
      throw new FarshoreError('FSH_STATE_BUSY', `another store server has ${dataDir} open`);
    }
    throw error;
  }
  return () => new Promise((resolve) => server.close(() => resolve()));
}

const listen = (server: Server, path: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });

function newClusterId(): string {
  return String((randomBytes(8).readBigUInt64BE() >> 1n) | 1n);
}

/** For a snapshot of the present state; removes nothing before its successor is durable. */
export async function compactDataDir(dataDir: string, clusterId: string, engine: Engine, old: Log): Promise<Log> {
  await writeSnapshot(snapshotPath(dataDir), snapshotOf(clusterId, old.seq, engine.state()));
  const log = await Log.create(logPath(dataDir), old.seq);
  await old.close();
  return log;
}
