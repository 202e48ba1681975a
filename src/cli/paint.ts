import type { WriteStream } from 'node:tty';

type Style = (text: string) => string;

/** Colours for a stream: plain text unless it is a terminal, and NO_COLOR is not set. Colour never carries meaning alone. */
export interface Paint {
  readonly red: Style;
  readonly green: Style;
  readonly yellow: Style;
  readonly dim: Style;
  readonly bold: Style;
}

export function paint(stream: Pick<WriteStream, 'isTTY'>): Paint {
  const on = stream.isTTY === true && process.env['NO_COLOR'] === undefined;
  const style =
    (code: number): Style =>
    (text) =>
      on ? `\u001b[${code}m${text}\u001b[0m` : text;
  return { red: style(31), green: style(32), yellow: style(33), dim: style(2), bold: style(1) };
}
