import { groupBy } from './group-by.ts';

/**
 * The ledger: the client's own record of every attempt and what became of it. One JSON object a line, append-only.
 * All times are CLOCK_MONOTONIC milliseconds, which every process of one machine shares.
 */
export type Op = 'sql-write' | 'http-write' | 'http-read';

/**
 * `ok`: acknowledged within the deadline. `fail`: certainly not carried out. `info`: nobody can say (a reset after the
 * request was sent, a deadline that passed, SQLSTATE 08007). A read that is not `ok` is `fail`.
 */
export type OutcomeClass = 'ok' | 'fail' | 'info';

export interface LedgerRow {
  readonly kind: 'attempt';
  readonly cohort: string;
  readonly op: Op;
  /** Row id in the database for writes, the id asked for by reads. Unique per attempt for writes. */
  readonly id: string;
  /** Grows by one per intention of this cohort and operation. */
  readonly seq: number;
  /** When the schedule wanted it sent. Latency and availability are counted from here. */
  readonly intendedMs: number;
  /** When the generator got to it. `startedMs - intendedMs` is the generator's own lateness. */
  readonly startedMs: number;
  /** When it left for the network; null when it never did. */
  readonly sentMs: number | null;
  readonly doneMs: number;
  readonly outcome: OutcomeClass;
  /** SQLSTATE, HTTP status, errno, or one of the client's own words: `deadline`, `in-flight-budget`, `connection-lost`. */
  readonly code: string | null;
  /** Who served it, as the answer said; null when it said nothing. */
  readonly region: string | null;
  /** PostgreSQL's timeline and position inside the INSERT, from PostgreSQL itself: which reign acknowledged. */
  readonly timeline: number | null;
  readonly lsn: string | null;
  /** Which connection carried it, and whether that one carried requests before: old sessions fail in other ways than new ones. */
  readonly session: number | null;
  readonly reused: boolean;
}

export interface LedgerHead {
  readonly kind: 'head';
  readonly schema: 'farshore.ledger/v1';
  readonly drill: string;
  readonly startedMs: number;
}

/** Written last. A ledger without it belongs to a load process that did not end by itself. */
export interface LedgerEnd {
  readonly kind: 'end';
  readonly attempts: number;
  readonly endedMs: number;
}

export type LedgerLine = LedgerHead | LedgerRow | LedgerEnd;

export interface Ledger {
  readonly rows: readonly LedgerRow[];
  /** True when the end line is there and counts the rows that were read. */
  readonly complete: boolean;
}

/** Reads a ledger from its text. A torn last line (the writer was killed) is left out and makes it incomplete. */
export function parseLedger(text: string): Ledger {
  const rows: LedgerRow[] = [];
  let announced: number | null = null;
  for (const line of text.split('\n')) {
    const parsed = parseLine(line);
    if (parsed?.kind === 'attempt') rows.push(parsed);
    if (parsed?.kind === 'end') announced = parsed.attempts;
  }
  return { rows, complete: announced === rows.length };
}

/** One line of a ledger, or null when it is empty or torn. */
export function parseLine(line: string): LedgerLine | null {
  if (line === '') return null;
  try {
    const value: unknown = JSON.parse(line);
    return isLedgerLine(value) ? value : null;
  } catch {
    return null;
  }
}

const KINDS: ReadonlySet<unknown> = new Set(['head', 'attempt', 'end']);
const isLedgerLine = (value: unknown): value is LedgerLine =>
  typeof value === 'object' && value !== null && 'kind' in value && KINDS.has(value.kind);

/** Writes carry the drill's id, so a row found in a database can be matched to the drill and the attempt that made it. */
export const rowId = (drill: string, cohort: string, op: Op, seq: number): string => `${drill}.${cohort}.${op}.${seq}`;
export const rowIdPrefix = (drill: string): string => `${drill}.`;

/** Rows of one cohort and one kind of request, for every pair that is in the ledger. */
export const streamsIn = (rows: readonly LedgerRow[]): readonly (readonly LedgerRow[])[] => [
  ...groupBy(rows, (row) => `${row.cohort} ${row.op}`).values(),
];
