import type { Facts } from '../facts/facts.ts';
import { folded, metroNamed, metrosOf } from '../facts/metros.ts';

/** Edits (insert, delete, replace, swap neighbours) that turn `a` into `b`: optimal string alignment. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** Longer words are not worth comparing: the distance costs the product of the lengths. */
const LONGEST = 64;

/** The known word that was probably meant: the closest one within a third of its length, or null. */
export function nearest(word: string, known: readonly string[]): string | null {
  if (word.length > LONGEST) return null;
  const wanted = word.toLowerCase();
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const distance = editDistance(wanted, candidate.toLowerCase());
    const limit = Math.max(1, Math.floor(candidate.length / 3));
    if (distance <= limit && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** The region id that was probably meant. A name without its provider finds the provider's region: `eu-west-1`. */
export function nearestRegion(id: string, known: readonly string[]): string | null {
  const direct = nearest(id, known);
  if (direct !== null || id.includes(':')) return direct;
  const names = known.map((candidate) => candidate.slice(candidate.indexOf(':') + 1));
  const name = nearest(id, names);
  return name === null ? null : (known[names.indexOf(name)] ?? null);
}

/** What may have been meant by a metro that its country does not have: another name there, or the same in other countries; how to say it in any case. */
export function metroHelp(facts: Pick<Facts, 'metros'>, country: string, word: string): readonly string[] {
  const mine = metrosOf(facts, country);
  const meant = nearest(
    folded(word),
    mine.map(({ name }) => folded(name)),
  );
  const name = mine.find((metro) => folded(metro.name) === meant)?.name;
  if (name !== undefined) return [`did you mean "${name}"?`];
  const countries = [...new Set(facts.metros.map((metro) => metro.country))];
  const abroad = countries.filter((other) => metroNamed(facts, other, word) !== null);
  return [
    ...(abroad.length === 0 ? [] : [`there is one in ${abroad.join(', ')}`]),
    'a big city as GeoNames calls it; any other place by latitude and longitude: `at: "52.52,13.40"`',
  ];
}
