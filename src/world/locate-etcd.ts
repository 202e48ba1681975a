import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { FarshoreError } from '../base/errors.ts';

/** etcd's program: the one that was named, or the first in `searchPath`. Throws FSH_ETCD_MISSING. */
export function locateEtcd(named: string | undefined, searchPath: string | undefined): string {
  const candidates =
    named !== undefined
      ? [resolve(named), join(resolve(named), 'etcd')]
      : (searchPath ?? '').split(delimiter).map((folder) => join(folder, 'etcd'));
  const found = candidates.find(isProgram);
  if (found !== undefined) return found;
  const where = named === undefined ? 'in PATH' : `at ${named}`;
  throw new FarshoreError(
    'FSH_ETCD_MISSING',
    `the store has several members, so it is etcd, and there is none ${where}; nothing was started`,
  );
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
