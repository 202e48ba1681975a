import { maskOf, parseNetwork } from '../../base/address.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { GeoRows } from '../../decide/routing/geo-table.ts';

type Words = readonly [number, number];

/**
 * Lines `network,place,country`: `203.0.113.0/24,office,DE`. The country may be left out when the place is one. Empty lines and
 * lines that begin with `#` are passed over. Of networks that overlap the longer one counts.
 */
export function csvRows(text: string): Result<GeoRows, { readonly line: number; readonly text: string }> {
  const places: { place: string; country: string | null }[] = [];
  const byName = new Map<string, number>();
  const v4 = new Layers();
  const v6 = new Layers();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [written = '', place = '', country = ''] = line
      .split(',')
      .map((field) => field.trim().replace(/^"(.*)"$/, '$1'));
    const network = parseNetwork(written);
    if (network === null) return err({ line: index + 1, text: `"${written}" is no network such as 203.0.113.0/24` });
    if (place === '') return err({ line: index + 1, text: 'a line is network,place,country' });
    const isCountry = /^[A-Z]{2}$/.test(country === '' ? place : country);
    const named = { place, country: isCountry ? (country === '' ? place : country) : null };
    const key = `${place}/${country}`;
    const at = byName.get(key) ?? places.push(named) - 1;
    byName.set(key, at);
    const { family, words } = network.address;
    const [a, b] = family === 4 ? [words[0], 0] : [words[0], words[1]];
    const last: Words = [
      (a | ~maskOf(network.length)) >>> 0,
      family === 4 ? 0 : (b | ~maskOf(network.length - 32)) >>> 0,
    ];
    (family === 4 ? v4 : v6).add({ first: [a, b], last, place: at, length: network.length });
  }
  return ok({
    places,
    v4: v4.rows(false).map(({ first, last, place }) => ({ first: first[0], last: last[0], place })),
    v6: v6.rows(true),
  });
}

interface Layer {
  readonly first: Words;
  readonly last: Words;
  readonly place: number;
  readonly length: number;
}

const compare = (a: Words, b: Words): number => a[0] - b[0] || a[1] - b[1];

/** Networks are nested or apart, so one pass with a stack of those that are open cuts them into rows without overlap. */
class Layers {
  readonly #all: Layer[] = [];

  add(layer: Layer): void {
    this.#all.push(layer);
  }

  rows(wide: boolean): { readonly first: Words; readonly last: Words; readonly place: number }[] {
    const sorted = this.#all.toSorted((a, b) => compare(a.first, b.first) || a.length - b.length);
    const rows: { first: Words; last: Words; place: number }[] = [];
    const open: Layer[] = [];
    let from: Words = [0, 0];
    const close = (until: Words) => {
      const top = open.at(-1);
      if (top !== undefined && compare(from, until) <= 0) rows.push({ first: from, last: until, place: top.place });
    };
    const popBefore = (next: Words | null) => {
      for (
        let top = open.at(-1);
        top !== undefined && (next === null || compare(top.last, next) < 0);
        top = open.at(-1)
      ) {
        close(top.last);
        open.pop();
        from = after(top.last, wide);
      }
    };
    for (const layer of sorted) {
      popBefore(layer.first);
      if (open.length > 0 && compare(from, layer.first) < 0) close(before(layer.first, wide));
      open.push(layer);
      from = layer.first;
    }
    popBefore(null);
    return rows;
  }
}

const after = ([a, b]: Words, wide: boolean): Words => (!wide || b === 0xffffffff ? [a + 1, 0] : [a, b + 1]);
const before = ([a, b]: Words, wide: boolean): Words =>
  !wide ? [a - 1, 0] : b === 0 ? [a - 1, 0xffffffff] : [a, b - 1];
