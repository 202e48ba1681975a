/** Keys from `start` up to but without `end`, in byte order. One key is `[key, key + '\0')`. */
export interface Range {
  readonly start: string;
  readonly end: string;
}

export const oneKey = (key: string): Range => ({ start: key, end: `${key}\0` });

/** The end of the range of all keys that start with `prefix`: the prefix with its last byte counted up. */
export function prefixRange(prefix: string): Range {
  for (let at = prefix.length - 1; at >= 0; at--) {
    const byte = prefix.charCodeAt(at);
    if (byte < 0xff) return { start: prefix, end: prefix.slice(0, at) + String.fromCharCode(byte + 1) };
  }
  return { start: prefix, end: PAST_EVERY_KEY };
}

/** Greater than every byte string: U+0100 is no byte. */
export const PAST_EVERY_KEY = '\u0100';

/** A map that also gives its values in order of key. Byte strings only, so that text order is byte order. */
export class KeySpace<T> {
  readonly #values = new Map<string, T>();
  readonly #keys: string[] = [];

  get(key: string): T | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: T): void {
    if (!this.#values.has(key)) this.#keys.splice(this.#firstAt(key), 0, key);
    this.#values.set(key, value);
  }

  delete(key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(this.#firstAt(key), 1);
  }

  range(range: Range): T[] {
    return this.#pick(this.#firstAt(range.start), this.#firstAt(range.end));
  }

  all(): T[] {
    return this.#pick(0, this.#keys.length);
  }

  #pick(from: number, to: number): T[] {
    return this.#keys.slice(from, Math.max(from, to)).flatMap((key) => {
      const value = this.#values.get(key);
      return value === undefined ? [] : [value];
    });
  }

  /** Index of the first key at or after `key`. */
  #firstAt(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
