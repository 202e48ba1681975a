import { assert } from './result.ts';

/** A position in PostgreSQL's write-ahead log as PostgreSQL prints it: `0/16B3748`. Compare with `compareLsn`, never as text. */
export type Lsn = string;

const HALF = 0x1_0000_0000;
const PRINTED = /^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/;

export const lsnToBigInt = (lsn: Lsn): bigint => (BigInt(high(lsn)) << 32n) | BigInt(low(lsn));

/** The halves are numbers, exact ones, where the whole would not be. */
function high(lsn: Lsn): number {
  assert(PRINTED.test(lsn), `not an LSN: ${lsn}`);
  return Number.parseInt(lsn, 16);
}

const low = (lsn: Lsn): number => Number.parseInt(lsn.slice(lsn.indexOf('/') + 1), 16);

/** As PostgreSQL prints it. */
export const formatLsn = (position: bigint): Lsn =>
  `${(position >> 32n).toString(16)}/${(position & 0xff_ff_ff_ffn).toString(16)}`.toUpperCase();

/** Negative when `a` is before `b`, 0 when equal, positive when after. */
export const compareLsn = (a: Lsn, b: Lsn): number => (a === b ? 0 : high(a) - high(b) || low(a) - low(b));

/** Bytes from `from` to `to`; negative when `to` is before `from`. */
export const lsnBytes = (from: Lsn, to: Lsn): number => (high(to) - high(from)) * HALF + (low(to) - low(from));
