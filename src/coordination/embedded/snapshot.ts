import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FarshoreError } from '../../base/errors.ts';
import type { EngineState } from '../engine/engine.ts';
import { syncDirectory } from './log.ts';
import { decodeLine, encodeLine } from './record-line.ts';

const FORMAT = 'farshore-store/1';

/** The whole state as it was after log record `seq`. */
export interface Snapshot {
  readonly format: typeof FORMAT;
  /** Decimal, 63 bits, chosen when the store was made: tells this store from one that was made again. */
  readonly clusterId: string;
  readonly seq: number;
  readonly state: EngineState;
}

export const snapshotOf = (clusterId: string, seq: number, state: EngineState): Snapshot => ({
  format: FORMAT,
  clusterId,
  seq,
  state,
});

export function parseSnapshot(bytes: Buffer, path: string): Snapshot {
  const value = bytes.at(-1) === 0x0a ? decodeLine(bytes.subarray(0, -1)) : undefined;
  if (value === undefined) {
    throw new FarshoreError(
      'FSH_DATA_CORRUPT',
      `the snapshot of the store is damaged: ${path}. Nothing was changed or deleted`,
    );
  }
  // The checksum matched, so this program wrote it; only the version can differ.
  const snapshot = value as Snapshot;
  const format: string = snapshot.format;
  if (format !== FORMAT) {
    throw new FarshoreError('FSH_DATA_FOREIGN', `${path} has the format ${format}; this program reads ${FORMAT}`);
  }
  return snapshot;
}

/** Replaces the snapshot, atomically and durably. */
export async function writeSnapshot(path: string, snapshot: Snapshot): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(encodeLine(snapshot));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}
