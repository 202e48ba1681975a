import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const TAIL_BYTES = 2_000;

/**
 * The last error that a log names, else its last line, for an error message; empty when there is none. `fromByte`: where the run
 * of interest begins. A password in a URL is left out.
 */
export function logTail(path: string, fromByte = 0): string {
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      // A log that is shorter than it was has been rotated.
      const written = size >= fromByte ? size - fromByte : size;
      const bytes = Buffer.alloc(Math.min(written, TAIL_BYTES));
      readSync(file, bytes, 0, bytes.length, Math.max(0, size - bytes.length));
      const lines = bytes
        .toString('utf8')
        .split('\n')
        .map((line) => line.trim());
      // Node ends a crash with its stack and version; what happened stands above.
      const error = lines.findLast((line) => /error\b/i.test(line) && !line.startsWith('at '));
      const said = error ?? lines.findLast((line) => line !== '') ?? '';
      return said.replaceAll(/(:\/\/[^\s:@/]*:)[^\s@/]+@/g, '$1***@');
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
