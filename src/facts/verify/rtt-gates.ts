import type { PlaceId } from '../../base/ids.ts';
import { regionFact, type Facts } from '../facts.ts';
import { distanceKm, lightRttMs } from '../geo.ts';
import { createLatencyModel } from '../latency/model.ts';
import { symmetric, type Finding, type RttRow } from './table.ts';

/** Slack for rounding and for coordinates that are a city's. */
const LIGHT_SLACK_MS = 1;
const TRIANGLE_FACTOR = 1.15;
const TRIANGLE_SLACK_MS = 5;
/** Networks do take detours; three times as long as the way round is a mistake of the table. */
const TRIANGLE_ABSURD = 3;
const ASYMMETRY_MS = 12;
const ASYMMETRY_SHARE = 0.15;
/** Four times the error that one of ten estimates has (`npm run bench:facts`: 26 ms). */
const RESIDUAL_MS = 104;
const COPIED_LEAST_OTHERS = 8;
const COPIED_APART_KM = 100;
/** So large a share of suspicious rows is no row's fault: the labels are. */
const SHIFTED_SHARE = 0.1;

/** All gates for a table of round trips whose regions are known. */
export function rttFindings(facts: Facts, rows: readonly RttRow[]): readonly Finding[] {
  const pairs = symmetric(rows.filter(({ from, to }) => from !== to));
  const tooFast = light(facts, pairs);
  return [
    ...tooFast,
    ...triangle(pairs),
    ...asymmetry(rows),
    ...residual(facts, pairs, tooFast.length),
    ...copied(facts, pairs),
  ];
}

const name = ({ from, to }: RttRow): string => `${from} to ${to}`;

function light(facts: Facts, pairs: readonly RttRow[]): Finding[] {
  return pairs.flatMap((row) => {
    const km = distanceKm(regionFact(facts, row.from), regionFact(facts, row.to));
    const least = lightRttMs(km);
    if (row.ms >= least - LIGHT_SLACK_MS) return [];
    const text = `${name(row)}: ${show(row.ms)}, but light needs ${show(least)} for ${Math.round(km)} km: a coordinate or a label is wrong`;
    return [{ gate: 'light', severity: 'error', at: row.at, text }];
  });
}

function triangle(pairs: readonly RttRow[]): Finding[] {
  const ids = [...new Set(pairs.flatMap(({ from, to }) => [from, to]))];
  const index = new Map(ids.map((id, i) => [id, i]));
  const table = ids.map(() => new Float64Array(ids.length).fill(Number.POSITIVE_INFINITY));
  for (const { from, to, ms } of pairs) {
    const [i = 0, j = 0] = [index.get(from), index.get(to)];
    (table[i] ?? [])[j] = ms;
    (table[j] ?? [])[i] = ms;
  }
  return pairs.flatMap((row) => {
    const [a, b] = [table[index.get(row.from) ?? 0], table[index.get(row.to) ?? 0]];
    let best = Number.POSITIVE_INFINITY;
    let through = '';
    for (const [k, id] of ids.entries()) {
      const ms = (a?.[k] ?? Infinity) + (b?.[k] ?? Infinity);
      if (ms < best) [best, through] = [ms, id];
    }
    if (row.ms <= TRIANGLE_FACTOR * best + TRIANGLE_SLACK_MS) return [];
    const isAbsurd = row.ms > TRIANGLE_ABSURD * best;
    const text = `${name(row)}: ${show(row.ms)}, but ${show(best)} through ${through}${isAbsurd ? '' : ': a detour'}`;
    return [{ gate: 'triangle', severity: isAbsurd ? 'error' : 'note', at: row.at, text }];
  });
}

function asymmetry(rows: readonly RttRow[]): Finding[] {
  const there = new Map(rows.map((row) => [`${row.from}|${row.to}`, row]));
  return rows.flatMap((row) => {
    const back = there.get(`${row.to}|${row.from}`);
    if (back === undefined || row.from >= row.to) return [];
    const off = Math.abs(row.ms - back.ms);
    if (off <= ASYMMETRY_MS || off <= ASYMMETRY_SHARE * Math.max(row.ms, back.ms)) return [];
    const text = `${name(row)}: ${show(row.ms)} there, ${show(back.ms)} back (${back.at})`;
    return [{ gate: 'asymmetry', severity: 'error', at: row.at, text }];
  });
}

/** `tooFast`: how many pairs the light gate found. */
function residual(facts: Facts, pairs: readonly RttRow[], tooFast: number): Finding[] {
  const model = createLatencyModel(facts);
  const off = pairs.flatMap((row) => {
    const { ms } = model.estimate(row.from, row.to);
    return Math.abs(row.ms - ms) > RESIDUAL_MS ? [{ row, ms }] : [];
  });
  const suspicious = off.length + tooFast;
  const shifted = suspicious > Math.max(3, SHIFTED_SHARE * pairs.length);
  return off.map(({ row, ms }) => ({
    gate: 'residual',
    severity: 'error',
    at: row.at,
    text: `${name(row)}: ${show(row.ms)}, but measured pairs around it say ${show(ms)}${shifted ? `; ${suspicious} of ${pairs.length} pairs are impossible or unlikely: are the labels shifted?` : ''}`,
  }));
}

function copied(facts: Facts, pairs: readonly RttRow[]): Finding[] {
  const rowOf = new Map<PlaceId, Map<PlaceId, RttRow>>();
  for (const row of pairs)
    for (const [id, other] of [
      [row.from, row.to],
      [row.to, row.from],
    ] as const)
      rowOf.set(id, (rowOf.get(id) ?? new Map<PlaceId, RttRow>()).set(other, row));
  const ids = [...rowOf.keys()].toSorted();
  const findings: Finding[] = [];
  for (const [i, a] of ids.entries())
    for (const b of ids.slice(i + 1)) {
      const [ofA, ofB] = [rowOf.get(a), rowOf.get(b)];
      const others = ids.filter((id) => ofA?.has(id) === true && ofB?.has(id) === true);
      if (others.length < COPIED_LEAST_OTHERS) continue;
      if (others.some((id) => ofA?.get(id)?.ms !== ofB?.get(id)?.ms)) continue;
      const km = distanceKm(regionFact(facts, a), regionFact(facts, b));
      if (km < COPIED_APART_KM) continue;
      const at = ofB?.get(others[0] ?? a)?.at ?? '';
      const text = `${a} and ${b}, ${Math.round(km)} km apart, have the same ${others.length} round trips: one row is a copy`;
      findings.push({ gate: 'copied', severity: 'error', at, text });
    }
  return findings;
}

const show = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
