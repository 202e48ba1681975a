import { assert } from './result.ts';

/** A position in PostgreSQL's write-ahead log as PostgreSQL prints it: `0/16B3748`. Compare with `compareLsn`, never as text. */
export type Lsn = string;

export function lsnToBigInt(lsn: Lsn): bigint {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(lsn);
  assert(match !== null, `not an LSN: ${lsn}`);
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** As PostgreSQL prints it. */
export const formatLsn = (position: bigint): Lsn =>
  `${(position >> 32n).toString(16)}/${(position & 0xff_ff_ff_ffn).toString(16)}`.toUpperCase();

/** Negative when `a` is before `b`, 0 when equal, positive when after. */
export function compareLsn(a: Lsn, b: Lsn): number {
  const difference = lsnToBigInt(a) - lsnToBigInt(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** Bytes from `from` to `to`; negative when `to` is before `from`. */
export const lsnBytes = (from: Lsn, to: Lsn): number => Number(lsnToBigInt(to) - lsnToBigInt(from));
