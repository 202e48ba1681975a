import { open, stat } from 'node:fs/promises';
import type { Code } from '../../base/errors.ts';

const MOST_BYTES = 64 * 1024;

/** Where the log ends now; pass it to `readLogFrom` later. */
export async function endOfLog(path: string): Promise<number> {
  return stat(path).then(
    (found) => found.size,
    () => 0,
  );
}

/** What the server wrote to its log since `offset`, at most the last 64 KB of it. */
export async function readLogFrom(path: string, offset: number): Promise<string> {
  const end = await endOfLog(path);
  const from = Math.max(offset, end - MOST_BYTES);
  const handle = await open(path, 'r').catch(() => null);
  if (handle === null) return '';
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.max(0, end - from)), 0, end - from, from);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Why PostgreSQL did not come up, from what it logged: the worst line, and the code for a person. */
export function explainFailedStart(log: string): { readonly code: Code; readonly why: string } {
  const lines = log.split('\n').filter((line) => /\b(FATAL|PANIC):|setpriv:|error while loading/.test(line));
  const why = lines.at(-1)?.replace(/^.*?\b(?=FATAL|PANIC)/, '') ?? log.trim().split('\n').at(-1) ?? '';
  const said = lines.length > 0 ? log : why;
  if (/No space left on device|Disk quota exceeded/.test(said)) return { code: 'FSH_DISK_FULL', why };
  if (/could not create any TCP\/IP sockets|could not create any Unix-domain sockets|Address already in use/.test(said))
    return { code: 'FSH_PORT_IN_USE', why };
  if (/Permission denied|has wrong ownership|has invalid permissions/.test(said))
    return { code: 'FSH_NO_PERMISSION', why };
  if (
    /PANIC:|could not locate a valid checkpoint|invalid checkpoint|incorrect checksum|invalid page|could not (open|read|access|find) /.test(
      said,
    )
  )
    return { code: 'FSH_DATA_CORRUPT', why };
  // The major version was compared before the start, so a control file that says another one is damaged.
  if (/contains invalid data|not a valid|invalid data in file|database files are incompatible/.test(said))
    return { code: 'FSH_DATA_CORRUPT', why };
  return { code: 'FSH_FAILED', why: why === '' ? 'PostgreSQL ended without a word in its log' : why };
}
