import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** PostgreSQL's words when somebody cancels a session that waits for a standby: its write was acknowledged to nobody's disk but its own. */
const CANCELLED_WAIT = 'canceling wait for synchronous replication';

/** Where the log of one server ends now. */
export interface LogMark {
  readonly path: string;
  readonly bytes: number;
}

export const markLog = (path: string): LogMark => ({ path, bytes: sizeOf(path) });

/** Cancelled waits of the application's sessions, logged since the mark; null when the log can't be read. The agents' own sessions do not count. */
export function cancelledWaitsSince(mark: LogMark): number | null {
  const lines = readFrom(mark)?.split('\n');
  if (lines === undefined) return null;
  return lines.filter((line) => line.includes(CANCELLED_WAIT) && line.includes(' app@app ')).length;
}

function sizeOf(path: string): number {
  return withFile(path, 0, (fd) => fstatSync(fd).size);
}

function readFrom({ path, bytes }: LogMark): string | null {
  return withFile<string | null>(path, null, (fd) => {
    const size = fstatSync(fd).size;
    const buffer = Buffer.alloc(Math.max(0, size - bytes));
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, bytes));
  });
}

function withFile<T>(path: string, missing: T, work: (fd: number) => T): T {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return missing;
  }
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}
