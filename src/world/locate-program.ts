import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { FarshoreError } from '../base/errors.ts';

/** etcd's program: the one that was named, or the first in `searchPath`. Throws FSH_ETCD_MISSING. */
export function locateEtcd(named: string | undefined, searchPath: string | undefined): string {
  const found = locate('etcd', named, searchPath);
  if (found !== null) return found;
  throw new FarshoreError(
    'FSH_ETCD_MISSING',
    `the store has several members, so it is etcd, and there is none ${where(named)}; nothing was started`,
  );
}

/** HAProxy's program. Debian keeps it where only root looks. Throws FSH_HAPROXY_MISSING. */
export function locateHaproxy(named: string | true, searchPath: string | undefined): string {
  const path = named === true ? undefined : named;
  const found = locate('haproxy', path, [searchPath ?? '', '/usr/sbin', '/usr/local/sbin'].join(delimiter));
  if (found !== null) return found;
  throw new FarshoreError('FSH_HAPROXY_MISSING', `there is no HAProxy ${where(path)}; nothing was started`);
}

/** strace, which disk faults are made with. Throws FSH_STRACE_MISSING. */
export function locateStrace(searchPath: string | undefined): string {
  const found = locate('strace', undefined, searchPath);
  if (found !== null) return found;
  throw new FarshoreError(
    'FSH_STRACE_MISSING',
    'disk faults are made with strace, and there is none in PATH; nothing was changed',
  );
}

const where = (named: string | undefined): string => (named === undefined ? 'in PATH' : `at ${named}`);

function locate(program: string, named: string | undefined, searchPath: string | undefined): string | null {
  const candidates =
    named !== undefined
      ? [resolve(named), join(resolve(named), program)]
      : (searchPath ?? '').split(delimiter).map((folder) => join(folder, program));
  return candidates.find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
