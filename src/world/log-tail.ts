import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const TAIL_BYTES = 2_000;

/** The last line of a log that says something, for an error message; empty when there is none. */
export function logTail(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
      readSync(file, bytes, 0, bytes.length, Math.max(0, size - bytes.length));
      const lines = bytes.toString('utf8').split('\n');
      return lines.findLast((line) => line.trim() !== '')?.trim() ?? '';
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
