/**
 * Bounds how much one network is answered by UDP, where the sender's address may be forged and the answers hit somebody else.
 * Over the limit, every `slip`-th answer is a truncated one: a real resolver asks again by TCP, a forger cannot.
 *
 * Counters are kept in two tables under two hashes (a count-min sketch): memory is fixed whatever addresses are forged, and a
 * network is limited only when both of its counters are full, so hardly ever because of somebody else.
 */
import type { Address } from '../../base/address.ts';

export interface RateLimit {
  /** Answers per second to one /24 (IPv4) or /56 (IPv6); 0 = no limit. */
  readonly perSecond: number;
  /** Of the answers over the limit every so many-th is sent truncated, the others are not sent at all. 0: none is sent. */
  readonly slip: number;
}

export const PASS = 0;
export const SLIP = 1;
export const REFUSE = 2;

const CELLS = 1 << 16;

export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #isExempt: (address: Address) => boolean;
  readonly #seed: number;
  readonly #counts = [new Uint32Array(CELLS), new Uint32Array(CELLS)] as const;
  #second = -1;
  #over = 0;
  #limited = 0;

  /** @param seed nobody outside may know it, or he could fill the counters of a network that he chose */
  constructor(limit: RateLimit, isExempt: (address: Address) => boolean, seed: number) {
    this.#limit = limit;
    this.#isExempt = isExempt;
    this.#seed = seed >>> 0;
  }

  /** Answers that were cut or not sent, since the start. */
  get limited(): number {
    return this.#limited;
  }

  take(client: Address, nowMs: number): typeof PASS | typeof SLIP | typeof REFUSE {
    const { perSecond, slip } = this.#limit;
    if (perSecond === 0 || this.#isExempt(client)) return PASS;
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#counts[0].fill(0);
      this.#counts[1].fill(0);
    }
    const high = client.family === 4 ? client.words[0] >>> 8 : client.words[0];
    const low = client.family === 4 ? 4 : (client.words[1] >>> 8) | 0x80000000;
    const hash = mix(high ^ this.#seed);
    const one = mix(hash ^ low);
    const two = mix(one ^ this.#seed ^ 0x9e3779b9);
    const fewest = Math.min(bump(this.#counts[0], one), bump(this.#counts[1], two));
    if (fewest <= perSecond) return PASS;
    this.#limited += 1;
    this.#over += 1;
    return slip > 0 && this.#over % slip === 0 ? SLIP : REFUSE;
  }
}

function bump(counts: Uint32Array, hash: number): number {
  const cell = hash & (CELLS - 1);
  const count = (counts[cell] ?? 0) + 1;
  counts[cell] = count;
  return count;
}

/** MurmurHash3's finaliser. */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
