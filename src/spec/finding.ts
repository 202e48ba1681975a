import type { Diagnostic, SpecCode } from './diagnostic.ts';
import type { Path, Source, Spot } from './source.ts';

/** What a rule found, by paths. `toDiagnostic` finds the lines. */
export interface Finding {
  readonly code: SpecCode;
  readonly message: string;
  /** What to point at, most important first; the top of the file when the file says none of it. */
  readonly at: readonly Spot[];
  readonly help?: readonly string[];
}

/** A value of the file with its path; `written` is false when it is a default. */
export interface Field<T> {
  readonly value: T;
  readonly path: Path;
  readonly written: boolean;
}

export const atValue = (path: Path, label: string | null = null): Spot => ({ path, part: 'value', label });
export const atKey = (path: Path, label: string | null = null): Spot => ({ path, part: 'key', label });

/** Point at a field, when the file writes it. */
export const atField = (field: Field<unknown>, label: string | null = null): readonly Spot[] =>
  field.written ? [atValue(field.path, label)] : [];

export function toDiagnostic(finding: Finding, source: Source, file: string): Diagnostic {
  const [first = atValue([]), ...others] = finding.at;
  return {
    severity: finding.code.startsWith('N') ? 'note' : 'error',
    code: finding.code,
    file,
    message: finding.message,
    marks: [source.mark(first), ...others.map((spot) => source.mark(spot))],
    help: finding.help ?? [],
  };
}

export const didYouMean = (word: string | null): readonly string[] =>
  word === null ? [] : [`did you mean "${word}"?`];
