import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root. Root → the user `farshore`, else `postgres`, else `nobody`; anybody else → null. */
export function chooseRunAs(): RunAs | null {
  if (process.getuid?.() !== 0) return null;
  const users = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const wanted of ['farshore', 'postgres', 'nobody']) {
    const fields = users.find((line) => line.startsWith(`${wanted}:`))?.split(':');
    if (fields?.[2] !== undefined && fields[3] !== undefined) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  return { uid: 65_534, gid: 65_534 };
}

/** Can that user reach `path`: enter every folder on the way, and read it when it is a file? By mode bits only. */
export function reachableFor(path: string, runAs: RunAs | null): boolean {
  if (runAs === null) return true;
  try {
    let at = realpathSync(path);
    if (!allows(at, runAs, statSync(at).isDirectory() ? 0o1 : 0o4)) return false;
    while (at !== dirname(at)) {
      at = dirname(at);
      if (!allows(at, runAs, 0o1)) return false;
    }
    return true;
  } catch {
    return false;
  }
}

function allows(path: string, user: RunAs, bit: number): boolean {
  const { mode, uid, gid } = statSync(path);
  const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
  return ((mode >> shift) & bit) === bit;
}
