import type { Socket } from 'node:net';

/** A line longer than this is not one of ours: the connection is closed. */
const LONGEST_LINE = 4 * 1024 * 1024;

/** Calls `onLine` for every line that arrives on a control socket. */
export function onLines(socket: Socket, onLine: (line: string) => void): void {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) socket.destroy();
    for (const line of lines) if (line !== '') onLine(line);
  });
}
