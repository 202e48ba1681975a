import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const TAIL_BYTES = 2_000;

/** The last error that a log names, else its last line, for an error message; empty when there is none. */
export function logTail(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
      readSync(file, bytes, 0, bytes.length, Math.max(0, size - bytes.length));
      const lines = bytes
        .toString('utf8')
        .split('\n')
        .map((line) => line.trim());
      // Node ends a crash with its stack and version; what happened stands above.
      const error = lines.findLast((line) => /error\b/i.test(line) && !line.startsWith('at '));
      return error ?? lines.findLast((line) => line !== '') ?? '';
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
