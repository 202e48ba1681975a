import { createInterface, type Interface } from 'node:readline';

/** Where the demo shows itself: a terminal with a live part on top, or plain lines. */
export interface Screen {
  /** One line of the story; may be called at any time. */
  say(line: string): void;
  /** The live part, as it is now. */
  show(lines: readonly string[]): void;
  onLine(obey: (line: string) => void): void;
  close(): void;
}

const PLAIN_EVERY_MS = 5_000;

/** Plain lines: for pipes and logs. The live part becomes one line every few seconds. Commands may come through a pipe. */
export function plainScreen(summary: (lines: readonly string[]) => string): Screen {
  let shownMs = Number.NEGATIVE_INFINITY;
  let input: Interface | null = null;
  return {
    say: (line) => void process.stdout.write(`${line}\n`),
    show(lines) {
      if (performance.now() - shownMs < PLAIN_EVERY_MS) return;
      shownMs = performance.now();
      process.stdout.write(`${summary(lines)}\n`);
    },
    onLine(obey) {
      input = createInterface({ input: process.stdin });
      input.on('line', obey);
    },
    close: () => input?.close(),
  };
}

/** The live part stays on top; below it everything scrolls, with the prompt at the bottom. */
export function liveScreen(heightOfTop: number): Screen {
  const out = process.stdout;
  const write = (text: string): void => void out.write(text);
  const input = createInterface({ input: process.stdin, output: out, prompt: 'demo> ' });
  const lay = (): void => {
    write(`\u001b[2J\u001b[${heightOfTop + 1};${out.rows}r\u001b[${out.rows};1H`);
    input.prompt(true);
  };
  out.on('resize', lay);
  lay();
  return {
    say(line) {
      // Over the prompt, which then moves on below with what was typed so far.
      write(`\r\u001b[K${line}\n`);
      input.prompt(true);
    },
    show(lines) {
      const width = out.columns;
      const top = Array.from(
        { length: heightOfTop },
        (_, i) => `\u001b[${i + 1};1H${fit(lines[i] ?? '', width)}\u001b[K`,
      );
      write(`\u001b7${top.join('')}\u001b8`);
    },
    onLine(obey) {
      input.on('line', (line) => {
        obey(line);
        input.prompt(true);
      });
      // Ctrl-C at the prompt ends the demo as it would end any program.
      input.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
      input.on('close', () => process.kill(process.pid, 'SIGINT'));
    },
    close() {
      out.off('resize', lay);
      input.removeAllListeners('close');
      input.close();
      write(`\u001b[r\u001b[${out.rows};1H\n`);
    },
  };
}

const COLOUR = new RegExp(`(${'\u001b'}\\[[0-9;]*m)`);

/** Cuts to a width; colour codes take none. */
function fit(line: string, width: number): string {
  let shown = 0;
  let result = '';
  for (const part of line.split(COLOUR)) {
    if (part.startsWith('\u001b[')) result += part;
    else {
      result += part.slice(0, Math.max(0, width - shown));
      shown += part.length;
    }
  }
  return result;
}
