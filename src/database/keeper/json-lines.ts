import type { Socket } from 'node:net';

/** A line longer than this is not one of ours: the connection is closed instead of filling the memory. */
const MAX_LINE_CHARS = 64 * 1024;

/** Calls `onValue` for every newline-terminated JSON value read from `socket`. A line that is not JSON ends the connection. */
export function readJsonLines(socket: Socket, onValue: (value: unknown) => void): void {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    rest += text;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      if (line.trim() === '') continue;
      const value = parse(line);
      if (value === undefined) {
        socket.destroy();
        return;
      }
      onValue(value);
    }
    if (rest.length > MAX_LINE_CHARS) socket.destroy();
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
