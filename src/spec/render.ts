import type { Diagnostic, Mark } from './diagnostic.ts';

/** Wide enough for any line that a person writes; a longer one is shown around its mark. */
const MAX_COLUMNS = 140;

const PAINT = { red: '31', yellow: '33', cyan: '36', dim: '2', bold: '1' } as const;
type Paint = (style: keyof typeof PAINT, text: string) => string;

/**
 * Diagnostics as a person reads them: where, what, the lines with carets, and what to do. Ends with a newline.
 * `text` is the file that they are about.
 */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  text: string,
  options: { readonly color: boolean },
): string {
  const paint: Paint = (style, words) => (options.color ? `\u001b[${PAINT[style]}m${words}\u001b[0m` : words);
  const lines = text.split('\n').map(printable);
  return diagnostics.map((diagnostic) => renderOne(diagnostic, lines, paint)).join('\n');
}

function renderOne(diagnostic: Diagnostic, lines: readonly string[], paint: Paint): string {
  const { file, severity, code, message, marks, help } = diagnostic;
  const where = `${file}:${marks[0].line}:${marks[0].column}`;
  const kind = paint(severity === 'error' ? 'red' : 'yellow', severity);
  const shown = marks.toSorted((a, b) => a.line - b.line || a.column - b.column);
  return [
    `${paint('bold', where)}  ${kind} ${code}  ${printable(message)}`,
    ...shown.flatMap((mark) => renderMark(mark, lines[mark.line - 1] ?? '', paint)),
    ...help.map((words) => `      ${paint('cyan', '=')} help: ${printable(words)}`),
    '',
  ].join('\n');
}

function renderMark(mark: Mark, line: string, paint: Paint): readonly string[] {
  const start = mark.column - 1;
  const cut = line.length > MAX_COLUMNS ? Math.max(0, start - MAX_COLUMNS / 2) : 0;
  const part = line.slice(cut, cut + MAX_COLUMNS);
  // A tab before the mark stays a tab, so that the carets stand under it at any tab width.
  const indent = part
    .slice(0, start - cut)
    .replace(/[^\t]/g, ' ')
    .padEnd(start - cut);
  const carets = '^'.repeat(Math.max(1, Math.min(mark.length, part.length - (start - cut))));
  const label = mark.label === null ? '' : ` ${mark.label}`;
  return [
    `${paint('dim', `${String(mark.line).padStart(5)} |`)} ${part.trimEnd()}`,
    `${paint('dim', '      |')} ${indent}${paint('red', `${carets}${printable(label)}`)}`,
  ];
}

/** Control and bidirectional characters would move the cursor or reorder the line: the file is not trusted. */
const printable = (text: string): string =>
  text.replace(/\r$/, '').replace(/(?!\t)[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '·');
