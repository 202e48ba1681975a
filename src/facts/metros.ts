import type { Facts, MetroFact } from './facts.ts';

/** Without accents, points and case: `São Paulo` is `sao paulo`. */
export const folded = (name: string): string =>
  name
    .normalize('NFD')
    .replace(/[\u0300-\u036F.,'’ʼ]/g, '')
    .replace(/[\s-]+/g, ' ')
    .trim()
    .toLowerCase();

export const metrosOf = (facts: Pick<Facts, 'metros'>, country: string): readonly MetroFact[] =>
  facts.metros.filter((metro) => metro.country === country);

/** A metro of a country by its name, or by the first words of it when no other begins like that (`New York`, `Frankfurt`); null: there is none. */
export function metroNamed(facts: Pick<Facts, 'metros'>, country: string, word: string): MetroFact | null {
  const wanted = folded(word);
  const mine = metrosOf(facts, country);
  const exact = mine.find(({ name }) => folded(name) === wanted);
  if (exact !== undefined) return exact;
  const begun = mine.filter(({ name }) => folded(name).startsWith(`${wanted} `));
  return begun.length === 1 ? (begun[0] ?? null) : null;
}
