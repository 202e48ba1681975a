import { constants } from 'node:fs';
import { access, chmod, chown, mkdir, open, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FarshoreError, messageOf } from '../../base/errors.ts';
import type { RunAs } from './run-as.ts';

export async function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}

/** True when the folder holds nothing or is not there. */
export async function isEmpty(directory: string): Promise<boolean> {
  return (await readdir(directory).catch(notThere)).length === 0;
}

function notThere(error: unknown): string[] {
  if (codeOf(error) === 'ENOENT') return [];
  throw asFarshoreError(error);
}

/** Makes a folder with mode 0700 that belongs to the user PostgreSQL runs as. Folders above it stay as they are. */
export async function makePrivate(directory: string, runAs: RunAs | null): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  if (runAs !== null) await chown(directory, runAs.uid, runAs.gid);
}

/** Writes a whole file or nothing: beside it, synced, renamed. Mode 0600, for the user PostgreSQL runs as. */
export async function writeWhole(path: string, text: string, runAs: RunAs | null): Promise<void> {
  const beside = `${path}.new`;
  await rm(beside, { force: true });
  await writeFile(beside, text, { mode: 0o600, flag: 'wx' });
  if (runAs !== null) await chown(beside, runAs.uid, runAs.gid);
  await syncPath(beside);
  await rename(beside, path);
  await syncPath(dirname(path));
}

/** fsync of a file or folder. */
export async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Renames a folder to a name beside it that is free, and returns that name. */
export async function moveAside(directory: string, suffix: string): Promise<string> {
  for (let n = 1; ; n++) {
    const target = n === 1 ? `${directory}.${suffix}` : `${directory}.${suffix}-${n}`;
    if (await exists(target)) continue;
    await rename(directory, target);
    await syncPath(dirname(directory));
    return target;
  }
}

/** An error of the file system as one that says what to do. */
export function asFarshoreError(error: unknown): FarshoreError {
  if (error instanceof FarshoreError) return error;
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return new FarshoreError('FSH_DISK_FULL', messageOf(error), error);
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new FarshoreError('FSH_NO_PERMISSION', messageOf(error), error);
  return new FarshoreError('FSH_FAILED', messageOf(error), error);
}

export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

const MARKER = 'farshore-making.json';

/**
 * A data directory is made beside its place and renamed when it is whole: the place itself never holds a half-made one.
 * `<dataDir>.making/` holds a marker and `data/`. Only a folder with the marker is ours to move or remove.
 */
export interface Making {
  readonly data: string;
  /** Puts the finished folder in its place. */
  finish(): Promise<void>;
  /** Keeps what was made under another name, for reading; returns where. */
  keepAside(suffix: string): Promise<string>;
  discard(): Promise<void>;
}

export async function mustBeEmpty(dataDir: string): Promise<void> {
  if (!(await isEmpty(dataDir))) throw new FarshoreError('FSH_STATE_FOREIGN', `${dataDir} is not empty`);
}

/** Removes a copy that a process which is gone left half-made: its room is needed. */
export async function clearMaking(dataDir: string): Promise<void> {
  const beside = `${dataDir}.making`;
  const marker = await readFile(join(beside, MARKER), 'utf8').catch(() => '');
  if (marker.includes('"what":"clone"')) await removeMaking(beside);
}

/** The data before the marker: what is left of a removal that was interrupted is still ours. */
async function removeMaking(beside: string): Promise<void> {
  await rm(join(beside, 'data'), { recursive: true, force: true });
  await rm(beside, { recursive: true, force: true });
}

/**
 * Begins to make `dataDir`. What an interrupted attempt left is kept aside (`keep`) or removed (`discard`).
 * Throws FSH_STATE_FOREIGN when the folder beside is not ours. `dataDir` must be empty when it is finished.
 */
export async function beginMaking(
  dataDir: string,
  what: 'init' | 'clone',
  runAs: RunAs | null,
  leftover: 'keep' | 'discard',
): Promise<Making> {
  const beside = `${dataDir}.making`;
  if (await exists(beside)) {
    if (!(await exists(join(beside, MARKER))) && !(await isEmpty(beside)))
      throw new FarshoreError('FSH_STATE_FOREIGN', `${beside} was not made by Farshore`);
    if (leftover === 'keep') await moveAside(beside, 'interrupted');
    else await removeMaking(beside);
  }
  await mkdir(dirname(beside), { recursive: true });
  await makePrivate(beside, runAs);
  await writeFile(join(beside, MARKER), `${JSON.stringify({ what, dataDir })}\n`, { mode: 0o600 });
  const data = join(beside, 'data');
  await makePrivate(data, runAs);
  return {
    data,
    async finish() {
      // Replaces an empty folder in one step.
      await rename(data, dataDir);
      await syncPath(dirname(dataDir));
      await rm(beside, { recursive: true, force: true });
    },
    keepAside: (suffix) => moveAside(beside, suffix),
    discard: () => removeMaking(beside),
  };
}
