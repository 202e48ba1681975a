/**
 * What a text can do to the transaction it runs in. `ends-block`: it may commit a block. `rolls-back`: it only rolls
 * back. `begins`, `harmless`: commits nothing, in a block or not. `plain`: commits when it runs outside of a block.
 */
export type StatementKind = 'ends-block' | 'rolls-back' | 'begins' | 'harmless' | 'plain';

/** END is also the end of a CASE, so it counts only where a statement can begin. */
const ENDS = /\bcommit\b|\bprepare\b|(?:^|;|\*\/|\n)\s*end\b|\b(?:rollback|abort)\b/i;
const ROLLS_BACK = /^\s*(?:rollback|abort)\b(?!\s+prepared\b)[^;]*;?\s*$/i;
const BEGINS = /^\s*(?:begin|start\s+transaction)\b[^;]*;?\s*$/i;
const HARMLESS = /^\s*(?:(?:show|set|discard)\b[^;]*)?;?\s*$/i;

const SPACE = 0x20;
/** Makes a letter of ASCII a small one, and nothing else a letter. */
const LOWER_CASE = 0x20;
const BEGINNINGS = ['begin', 'start', 'show', 'set', 'discard', ';'].map(lettersOf);
/** The words that may end a block, by their first letter. */
const ENDING: readonly (Uint8Array | undefined)[] = byFirstLetter(['commit', 'end', 'prepare', 'rollback', 'abort']);

/** `text` is in Latin-1. */
export function kindOf(text: string): StatementKind {
  return kindOfBytes(Buffer.from(text, 'latin1'), 0, text.length);
}

/** Most statements hold no word that matters: this is seen in their bytes, and the string for a closer look is spared. */
export function kindOfBytes(bytes: Buffer, start: number, end: number): StatementKind {
  if (!beginsLike(bytes, start, end) && !hasWordThatEnds(bytes, start, end)) return 'plain';
  const text = bytes.toString('latin1', start, end);
  if (ROLLS_BACK.test(text)) return 'rolls-back';
  if (ENDS.test(text)) return 'ends-block';
  if (BEGINS.test(text)) return 'begins';
  return HARMLESS.test(text) ? 'harmless' : 'plain';
}

function beginsLike(bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at < end && (bytes[at] ?? 0) <= SPACE) at += 1;
  // A byte that is not ASCII may be a space of Latin-1.
  if (at === end || (bytes[at] ?? 0) >= 0x80) return true;
  return BEGINNINGS.some((word) => isAt(word, bytes, at, end));
}

function hasWordThatEnds(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    const word = ENDING[(bytes[at] ?? 0) | LOWER_CASE];
    if (word !== undefined && isAt(word, bytes, at, end)) return true;
  }
  return false;
}

function isAt(word: Uint8Array, bytes: Buffer, at: number, end: number): boolean {
  if (at + word.length > end) return false;
  for (let i = 0; i < word.length; i += 1) if (((bytes[at + i] ?? 0) | LOWER_CASE) !== word[i]) return false;
  return true;
}

function lettersOf(word: string): Uint8Array {
  return Uint8Array.from(word, (letter) => letter.charCodeAt(0) | LOWER_CASE);
}

function byFirstLetter(words: readonly string[]): readonly (Uint8Array | undefined)[] {
  const table = Array.from<Uint8Array | undefined>({ length: 256 });
  for (const word of words.map(lettersOf)) table[word[0] ?? 0] = word;
  return table;
}
