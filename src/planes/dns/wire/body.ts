import { HEADER_BYTES, RCODE, TYPE } from './codes.ts';
import { type Rdata, u16, u32 } from './rdata.ts';
import type { WireName } from './name.ts';

/**
 * The part of an answer that follows the question, ready to be copied behind it. Owners are pointers to the question, so the
 * same bytes serve every name that has these records, in whatever case it was asked for.
 */
export interface Body {
  readonly bytes: Uint8Array;
  readonly rcode: number;
  readonly answers: number;
  readonly authorities: number;
  readonly additionals: number;
  /** It begins with the zone's SOA, whose owner is a pointer into the question that depends on the name asked for. */
  readonly negative: boolean;
}

const OWNER_IS_QUESTION = u16(0xc000 | HEADER_BYTES);

/** One record. `owner` null: the name that was asked for. */
export const record = (owner: WireName | null, type: number, ttlSec: number, rdata: Rdata): Uint8Array =>
  Buffer.concat([owner ?? OWNER_IS_QUESTION, u16(type), u16(1), u32(ttlSec), u16(rdata.length), rdata]);

/** The records of one type, and further ones that save the client a question: glue. */
export function positive(
  type: number,
  ttlSec: number,
  rdatas: readonly Rdata[],
  glue: readonly { readonly owner: WireName; readonly type: number; readonly rdata: Rdata }[] = [],
): Body {
  const records = [
    ...rdatas.map((rdata) => record(null, type, ttlSec, rdata)),
    ...glue.map((it) => record(it.owner, it.type, ttlSec, it.rdata)),
  ];
  return {
    bytes: Buffer.concat(records),
    rcode: RCODE.NOERROR,
    answers: rdatas.length,
    authorities: 0,
    additionals: glue.length,
    negative: false,
  };
}

/** "There is none": the SOA says for how long that may be believed (RFC 2308 §3). */
export const negative = (rcode: number, ttlSec: number, soa: Rdata): Body => ({
  bytes: record(null, TYPE.SOA, ttlSec, soa),
  rcode,
  answers: 0,
  authorities: 1,
  additionals: 0,
  negative: true,
});
