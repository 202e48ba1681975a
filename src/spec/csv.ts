export interface Cell {
  /** Without the quotes and the blanks around it. */
  readonly text: string;
  /** Where it begins, from 1. */
  readonly column: number;
}

const QUOTED = /\s*"((?:[^"]|"")*)"\s*(?=,|$)/y;
const PLAIN = /[^,"]*(?=,|$)/y;

/** The cells of one line of a CSV. Null: a quote that is not closed, or one inside a plain cell. */
export function cellsOf(line: string): readonly Cell[] | null {
  const cells: Cell[] = [];
  for (let from = 0; from <= line.length; ) {
    QUOTED.lastIndex = PLAIN.lastIndex = from;
    const quoted = QUOTED.exec(line);
    const found = quoted ?? PLAIN.exec(line);
    if (found === null) return null;
    const text = quoted === null ? found[0].trim() : (quoted[1] ?? '').replaceAll('""', '"').trim();
    const blanks = found[0].length - found[0].trimStart().length;
    cells.push({ text, column: from + blanks + 1 });
    from += found[0].length + 1;
  }
  return cells;
}
