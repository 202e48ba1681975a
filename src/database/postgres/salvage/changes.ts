/** One column as the output plugin `test_decoding` prints it. `name` is a quoted identifier where it must be one. */
export interface Column {
  readonly name: string;
  readonly type: string;
  /** The value as PostgreSQL writes it as text. */
  readonly value: string | null;
}

export interface Change {
  /** Schema and table as SQL identifiers; for a truncate the whole list. */
  readonly table: string;
  readonly op: 'insert' | 'update' | 'delete' | 'truncate';
  /** What the row became; null for a delete. A column whose large value did not change is not in it. */
  readonly new: readonly Column[] | null;
  /** What the WAL holds of the row before: key columns, or all of them with REPLICA IDENTITY FULL. */
  readonly old: readonly Column[] | null;
  /** The WAL holds nothing that says which row it was. */
  readonly rowUnknown: boolean;
}

export type Decoded =
  | { readonly kind: 'begin'; readonly xid: string }
  | { readonly kind: 'commit'; readonly xid: string; readonly at: string | null }
  | { readonly kind: 'change'; readonly change: Change }
  | { readonly kind: 'other' };

const OPS = { INSERT: 'insert', UPDATE: 'update', DELETE: 'delete', TRUNCATE: 'truncate' } as const;
const IDENTIFIER = /(?:"(?:[^"]|"")*"|[^\s".:,[\]]+)/y;

/** Reads one line of `test_decoding`. Throws on one that it does not understand: nothing is left out in silence. */
export function parseDecoded(line: string): Decoded {
  const begin = /^BEGIN (\d+)$/.exec(line);
  if (begin?.[1] !== undefined) return { kind: 'begin', xid: begin[1] };
  const commit = /^COMMIT (\d+)(?: \(at (.*)\))?$/.exec(line);
  if (commit?.[1] !== undefined) return { kind: 'commit', xid: commit[1], at: commit[2] ?? null };
  if (line.startsWith('message: ')) return { kind: 'other' };
  return { kind: 'change', change: new LineReader(line).change() };
}

class LineReader {
  readonly #line: string;
  #at = 0;

  constructor(line: string) {
    this.#line = line;
  }

  change(): Change {
    this.#take('table ');
    const table = this.#tables();
    this.#take(': ');
    const word = /[A-Z]+/y;
    const op = OPS[this.#match(word) as keyof typeof OPS] ?? this.#fail('an operation');
    this.#take(':');
    if (op === 'truncate') return { table, op, new: null, old: null, rowUnknown: false };
    if (this.#skip(' (no-tuple-data)')) return { table, op, new: null, old: null, rowUnknown: true };
    if (op === 'delete') return { table, op, new: null, old: this.#columns(), rowUnknown: false };
    if (!this.#skip(' old-key:')) return { table, op, new: this.#columns(), old: null, rowUnknown: false };
    const old = this.#columns(' new-tuple:');
    return { table, op, old, new: this.#columns(), rowUnknown: false };
  }

  #tables(): string {
    const from = this.#at;
    do {
      this.#match(IDENTIFIER);
      this.#take('.');
      this.#match(IDENTIFIER);
    } while (this.#skip(', '));
    return this.#line.slice(from, this.#at);
  }

  #columns(until?: string): Column[] {
    const columns: Column[] = [];
    while (this.#at < this.#line.length && !(until !== undefined && this.#skip(until))) {
      this.#take(' ');
      const name = this.#match(IDENTIFIER);
      this.#take('[');
      const type = this.#match(/(?:"(?:[^"]|"")*"|[^"])*?(?=\]:)/y);
      this.#take(']:');
      const value = this.#value();
      if (value !== undefined) columns.push({ name, type, value });
    }
    return columns;
  }

  /** undefined: a large value that did not change, and that the WAL does not repeat. */
  #value(): string | null | undefined {
    if (this.#skip('unchanged-toast-datum')) return undefined;
    const quoted = this.#skip("B'") || this.#skip("'");
    if (!quoted) {
      const bare = this.#match(/[^\s]+/y);
      return bare === 'null' ? null : bare;
    }
    const text = this.#match(/(?:[^']|'')*/y);
    this.#take("'");
    return text.replaceAll("''", "'");
  }

  #skip(text: string): boolean {
    if (!this.#line.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #take(text: string): void {
    if (!this.#skip(text)) this.#fail(`"${text}"`);
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#line)?.[0];
    if (found === undefined) return this.#fail(String(pattern));
    this.#at += found.length;
    return found;
  }

  #fail(wanted: string): never {
    // The line holds a row of the application: an error must not carry it into a log.
    throw new Error(`a decoded line of ${this.#line.length} characters has no ${wanted} at ${this.#at}`);
  }
}
