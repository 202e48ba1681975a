import type { Socket } from 'node:net';
import { LineCutter } from '../../base/lines.ts';

/** A line longer than this is not one of ours: the connection is closed instead of filling the memory. */
const MAX_LINE_CHARS = 64 * 1024;

/** Calls `onValue` for every newline-terminated JSON value read from `socket`. A line that is not JSON ends the connection. */
export function readJsonLines(socket: Socket, onValue: (value: unknown) => void): void {
  const cutter = new LineCutter(MAX_LINE_CHARS);
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const values = cutter.push(text)?.map(parse);
    for (const value of values ?? [undefined]) {
      if (value === undefined) {
        socket.destroy();
        return;
      }
      onValue(value);
    }
  });
}

export function writeJsonLine(socket: Socket, value: unknown): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(value)}\n`);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
