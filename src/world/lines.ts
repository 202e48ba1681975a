import type { Socket } from 'node:net';
import { LineCutter } from '../base/lines.ts';

/** A line longer than this is not one of ours: the connection is closed. */
const LONGEST_LINE = 4 * 1024 * 1024;

/** Calls `onLine` for every line that arrives on a control socket. */
export function onLines(socket: Socket, onLine: (line: string) => void): void {
  const cutter = new LineCutter(LONGEST_LINE);
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const lines = cutter.push(text);
    if (lines === null) socket.destroy();
    else for (const line of lines) onLine(line);
  });
}
