/** What can be wrong with a deployment file. E1xxx: its shape. E2xxx: what it means. N3xxx: notes; the file is valid. */
export const SPEC_CODES = {
  E1001: 'YAML that cannot be read',
  E1002: 'unknown key',
  E1003: 'missing key',
  E1004: 'a value of another type',
  E1005: 'a word that is not one of the allowed ones',
  E1006: 'a duration without a unit, or with an unknown one',
  E1007: 'a number, a duration or a list outside its bounds',
  E1008: 'a text that does not have its format',
  E1009: 'a size without a unit, or with an unknown one',

  E2001: 'unknown region id',
  E2002: 'the same place twice',
  E2003: 'a data region is also a site',
  E2004: 'the number of active regions does not fit the model',
  E2005: 'unknown jurisdiction',
  E2006: 'a site that neither holds the store nor observes',
  E2007: 'an objective looser than the tier',
  E2101: 'no site holds the store (P11.1)',
  E2103: 'a number of store members that survives no more than fewer would (P11.1)',
  E2102: 'too few observers are left after the loss of a region (P11.1)',
  E2201: 'rpo 0 with asynchronous replication',
  E2202: 'asynchronous replication cannot keep so short an rpo (P11.2)',
  E2203: 'two data regions and a primary that blocks when alone (P11.2)',
  E2204: 'rpo 0 with degrading, and no rpo declared for that time (P11.2)',
  E2205: 'more confirmations than standbys can give',
  E2206: 'a setting of another replication mode',
  E2207: 'an rpo while degraded that is shorter than the rpo',
  E2301: 'a lease longer than the RTO',
  E2302: 'a failure is noticed later than the RTO',
  E2303: 'timings that contradict each other',
  E2401: 'data in a place that a residency rule forbids (I11)',
  E2402: 'no failover target conforms to the residency rules',
  E2501: 'a DNS record whose value is not of its type',
  E2502: 'DNS records of one name that contradict each other',
  E2511: 'traffic is led to a region that the file does not have',
  E2512: 'unknown place',
  E2513: 'the same place or region twice',
  E2514: 'policies in an order in which one has nothing to decide',
  E2515: 'a table that would leave users no region (I12)',
  E2516: 'no network',
  E2517: '`static` without regions',
  E2518: 'a check by TLS without the name that the certificate must be for',
  E2519: 'a deep check without its path',
  E2520: 'a deep check that asks what the shallow one asks',
  E2601: 'unknown country',
  E2602: 'shares of users that do not add up',
  E2603: 'a ban that matches no region',
  E2604: 'a region that is pinned and not allowed',
  E2605: 'numbers of regions that contradict each other',
  E2606: 'users at a place that is none',
  E2607: 'a time to first byte that the server alone takes',
  E2608: 'every region must confirm, of more than two that are yet to be chosen',
  E2609: 'an objective about a country without users',
  E2901: 'described, but not built yet',

  N3001: 'semi-sync with one standby is sync (P11.2)',
  N3002: 'when the promise is void',
  N3003: 'a setting without effect',
  N3004: 'names that `dns` leads and `traffic` does not know, or the other way round',
  N3005: 'what a world on one machine cannot show',
} as const;

export type SpecCode = keyof typeof SPEC_CODES;

/** A stretch of one line. `line` and `column` count from 1, in UTF-16 units as editors do. */
export interface Mark {
  readonly line: number;
  readonly column: number;
  readonly length: number;
  /** What is said under the carets; null when the message says it all. */
  readonly label: string | null;
}

export interface Diagnostic {
  readonly severity: 'error' | 'note';
  readonly code: SpecCode;
  readonly file: string;
  readonly message: string;
  /** The first is where the diagnostic is reported; two when two lines disagree. Never empty. */
  readonly marks: readonly [Mark, ...Mark[]];
  readonly help: readonly string[];
}

/** By the place in the file, then by code: the order that a person reads in. */
export const byPosition = (a: Diagnostic, b: Diagnostic): number =>
  a.marks[0].line - b.marks[0].line || a.marks[0].column - b.marks[0].column || a.code.localeCompare(b.code);
