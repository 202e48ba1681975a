import { err, ok, type Result } from '../../../base/result.ts';
import { LABEL_BYTES_MAX, NAME_BYTES_MAX } from './codes.ts';

/**
 * A domain name in wire form: labels with their length before them, small letters, and the empty label of the root at the end.
 * Never compressed.
 */
export type WireName = Uint8Array;

const LABEL = /^(\*|[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)$/;

/** Reads a name of our own configuration: `shop.example`, with or without the last dot; `.` is the root. */
export function wireName(text: string): Result<WireName, string> {
  const plain = text.toLowerCase().replace(/\.$/, '');
  const labels = plain === '' ? [] : plain.split('.');
  if (text === '') return err('a name is empty');
  for (const label of labels) {
    if (label.length > LABEL_BYTES_MAX) return err(`"${label}" has more than ${LABEL_BYTES_MAX} characters`);
    if (!LABEL.test(label)) return err(`"${label}" is not a label: letters, digits, hyphens inside`);
  }
  const bytes = [...labels.flatMap((label) => [label.length, ...Buffer.from(label, 'latin1')]), 0];
  if (bytes.length > NAME_BYTES_MAX) return err(`"${text}" is longer than ${NAME_BYTES_MAX} bytes`);
  return ok(Uint8Array.from(bytes));
}

/** For people: `shop.example.`; bytes that no host name has are shown as `\DDD` (RFC 1035 §5.1). */
export function textOfName(name: Uint8Array): string {
  const labels: string[] = [];
  for (let at = 0; at < name.length; ) {
    const bytes = name[at] ?? 0;
    if (bytes === 0) break;
    labels.push([...name.subarray(at + 1, at + 1 + bytes)].map(shown).join(''));
    at += 1 + bytes;
  }
  return `${labels.join('.')}.`;
}

const PLAIN = /[A-Za-z0-9_*-]/;
const shown = (byte: number): string => {
  const char = String.fromCharCode(byte);
  return PLAIN.test(char) ? char : `\\${String(byte).padStart(3, '0')}`;
};

/** How many labels a name has; the root has none. */
export function labelsOf(name: WireName): number {
  let count = 0;
  for (let at = 0; at < name.length && name[at] !== 0; at += 1 + (name[at] ?? 0)) count += 1;
  return count;
}

/** FNV-1a over a part of a name. The table of names is ours alone, so nobody can make its entries collide. */
export function hashOfName(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  return hash >>> 0;
}
