import { FarshoreError } from '../../base/errors.ts';
import type { Facts } from '../../facts/facts.ts';
import { createLatencyModel } from '../../facts/latency/model.ts';
import { pairsOf, type ContinentPairs, type Pair } from '../../plan/pairs/pairs.ts';
import type { Reach } from '../../plan/pairs/reach.ts';
import { thumbRulesOf, type Against, type PairRule, type ThumbRules } from '../../plan/pairs/thumb.ts';
import { table } from '../text.ts';

/** `farshore plan --pairs --json`. A field is never given another meaning: the number grows. */
interface PairsReport {
  readonly schema: 'farshore.plan-pairs/v1';
  readonly minKm: number;
  readonly providers: readonly string[];
  readonly continents: readonly ContinentPairs[];
  readonly rules: ThumbRules;
}

export interface PairsRequest {
  readonly providers: readonly string[];
  readonly minKm: number;
  /** How many pairs of each continent a person is shown. */
  readonly top: number;
  readonly full: boolean;
  readonly json: boolean;
}

const PROVIDERS = ['aws', 'azure', 'gcp'] as const;

/** `farshore plan --pairs`: near but separate regions of each continent, and the usual rules of thumb beside the data. */
export function pairsReport(facts: Facts, { providers, minKm, top, full, json }: PairsRequest): string {
  const wrong = providers.find((provider) => !PROVIDERS.some((known) => known === provider));
  if (wrong !== undefined)
    throw new FarshoreError('FSH_USAGE', `--provider is ${PROVIDERS.join(', ')}, not "${wrong}"`);
  const model = createLatencyModel(facts);
  const asked = providers.length === 0 ? PROVIDERS : providers;
  const report: PairsReport = {
    schema: 'farshore.plan-pairs/v1',
    minKm,
    providers: asked,
    continents: pairsOf(facts, model, { providers: asked, minKm }),
    rules: thumbRulesOf(facts, model),
  };
  return json ? `${JSON.stringify(report, null, 2)}\n` : pairsText(report, facts, top, full);
}

function pairsText({ minKm, continents, rules }: PairsReport, facts: Facts, top: number, full: boolean): string {
  const near = continents.map(({ continent, pairs, partners }) => {
    const shown = pairs.slice(0, full ? pairs.length : top);
    const rows = shown.map((pair) => [...rowOf(facts, pair), notes(pair)]);
    const none = partners.filter(({ partner }) => partner === null).map(({ region, why }) => `  ${region}: ${why}`);
    return [continent, ...table(rows), ...(rows.length > 0 && !full ? [] : none)].join('\n');
  });
  const fates = continents.flatMap(({ oneFate }) =>
    oneFate.slice(0, full ? oneFate.length : top).map((pair) => [...rowOf(facts, pair), pair.hard.join(', ')]),
  );
  return [
    `near and yet separate: regions of one provider, at least ${minKm} km apart, in no common war zone, fault or grid; nearest first, each once${full ? '' : ' (--full: all of them)'}`,
    ...near,
    ...(fates.length === 0 ? [] : [['far enough apart, and one fate all the same', ...table(fates)].join('\n')]),
    ...(full ? [partnersText(continents)] : []),
    ...rulesText(rules),
  ]
    .join('\n\n')
    .concat('\n');
}

const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const km = (value: number): string => `${value.toLocaleString('en-US')} km`;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const rowOf = (facts: Facts, { regions: [a, b], km: apart, rttMs, method, lowMs, highMs }: Pair): readonly string[] => [
  `  ${a} + ${b}`,
  `${facts.regions.get(a)?.place} – ${facts.regions.get(b)?.place}`,
  km(apart),
  ms(rttMs),
  `${method}, ${ms(lowMs)} to ${ms(highMs)}`,
];

const notes = ({ providersOwn, soft }: Pair): string =>
  [...(providersOwn ? ['the provider’s own pair'] : []), ...soft.map((zone) => `both: ${zone}`)].join('; ');

function partnersText(continents: readonly ContinentPairs[]): string {
  const rows = continents.flatMap(({ partners }) =>
    partners.map(({ region, partner, km: apart, rttMs, why }) => [
      `  ${region}`,
      partner ?? 'none here',
      apart === null ? '' : km(apart),
      rttMs === null ? '' : ms(rttMs),
      why,
    ]),
  );
  return ['every region, its nearest separate partner', ...table(rows)].join('\n');
}

const AGAINST: Readonly<Record<Against, string>> = { right: 'as said', less: 'LESS', more: 'MORE' };

function rulesText({ pairs, triad }: ThumbRules): readonly string[] {
  const rule = ({ says, verdict, pairs: judged, instead }: PairRule): string =>
    [
      `${verdict.toUpperCase()}: ${says}`,
      ...table(
        judged.map((one) => [
          `  ${one.regions.join(' + ')}`,
          one.places,
          `${km(one.km)}: ${AGAINST[one.kmIs]}`,
          `${ms(one.rttMs)} (${one.method}, ${ms(one.lowMs)} to ${ms(one.highMs)}): ${AGAINST[one.rttIs]}`,
        ]),
      ),
      `  these pairs: ${instead}`,
    ].join('\n');
  return ['the usual rules of thumb, and the data', ...pairs.map(rule), triadText(triad)];
}

function triadText({ says, verdict, withinMs, reach, instead }: ThumbRules['triad']): string {
  const [first] = reach;
  const head = ['  last mile', ...(first?.shares ?? []).map(({ lastMileMs }) => `${lastMileMs} ms`)];
  const rows = (title: string, of: (share: Reach['shares'][number]) => number): readonly (readonly string[])[] =>
    reach.map(({ regions, best, shares }) => [
      `  ${regions.join(' + ')}${best ? ' (the best three)' : ''}${title}`,
      ...shares.map((share) => percent(of(share))),
    ]);
  return [
    `${verdict.toUpperCase()}: ${says}`,
    `  internet users of the world below ${withinMs} ms to the nearest of the three:`,
    ...table([head, ...rows('', ({ all }) => all), ...rows(', without China', ({ withoutChina }) => withoutChina)]),
    `  ${instead}`,
  ].join('\n');
}
